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
