import os
import subprocess
import sys
import threading

import pytest

from kerasrecipes.environment import silenced


def test_hides_python_and_native_output(capfd):
    with silenced():
        print("from python")
        print("error", file=sys.stderr)
        os.write(1, b"from C++\n")
        os.write(2, b"error\n")
    print("after")
    captured = capfd.readouterr()
    assert captured.out == "after\n" and captured.err == ""


def test_errors_keep_what_was_hidden():
    with pytest.raises(RuntimeError) as caught, silenced():
        os.write(2, b"the real reason\n")
        raise RuntimeError("failed")
    assert "the real reason" in caught.value.__notes__[0]


def test_several_threads_hide_and_show_again(capfd):
    """The one that ends last puts back what the first one found."""
    first, second, ends = (threading.Event() for _ in range(3))

    def longer():
        first.wait()
        with pytest.raises(RuntimeError) as caught, silenced():
            second.set()
            ends.wait()
            os.write(1, b"its own\n")
            raise RuntimeError
        notes.extend(caught.value.__notes__)

    notes = []
    thread = threading.Thread(target=longer)
    thread.start()
    with silenced():
        os.write(2, b"of another\n")
        first.set()
        second.wait()
    os.write(1, b"still hidden\n")
    ends.set()
    thread.join()
    print("after")
    print("after", file=sys.stderr)
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("after\n", "after\n")
    assert notes == ["Output of the library:\nstill hidden\nits own"]


def test_keras_comes_without_a_greeting_and_its_logger_still_works():
    code = (
        "from kerasrecipes.environment import import_keras; import_keras(); import_keras();"
        "import tensorflow as tf; tf.get_logger().error('heard')"
    )
    settings = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "0"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=settings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "heard" in done.stderr


KERAS = "import time; time.sleep(0.1)\nimport tensorflow.core.protobuf\nModel = object\n"
TENSORFLOW = """
import time; time.sleep(0.1)
import logging, keras
constant = print
get_logger = logging.getLogger
"""
FIRST = """
import sys, threading
from kerasrecipes.environment import import_keras
from kerasrecipes.export.saved_model.saved_model import inspect_folder
from kerasrecipes.photos.reader import to_dataset
from kerasrecipes.photos.photo_set import PhotoSet

def told(call):
    begin.wait()
    try:
        said.append(call().__name__)
    except Exception as error:
        said.append(str(error)[:40])

said = []
calls = [
    import_keras,
    lambda: inspect_folder("nowhere"),
    lambda: to_dataset(PhotoSet.__new__(PhotoSet), (8, 8), batch_size=0),
    lambda: __import__("keras"),
]
begin = threading.Barrier(len(calls))
threads = [threading.Thread(target=told, args=(call,)) for call in calls]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
del sys.modules["tensorflow"].get_logger
begin = threading.Barrier(1)
told(import_keras)
print(*sorted(said), sep="\\n")
"""


def test_threads_all_begin_with_keras_and_halves_are_told(tmp_path):
    """Keras and TensorFlow import each other; here are two small ones that do so, too."""
    inner = tmp_path / "tensorflow" / "core" / "protobuf"
    inner.mkdir(parents=True)
    for folder in (inner, inner.parent):
        (folder / "__init__.py").touch()
    (inner / "saved_model_pb2.py").touch()
    (tmp_path / "tensorflow" / "__init__.py").write_text(TENSORFLOW)
    (tmp_path / "keras.py").write_text(KERAS)
    settings = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    command = [sys.executable, "-c", FIRST]
    done = subprocess.run(command, env=settings, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [
        "There is no SavedModel in 'nowhere'. Che",
        "`batch_size` must be a whole number of a",
        "keras",
        "keras",
        "keras and tensorflow are half imported, ",
    ], done.stderr
