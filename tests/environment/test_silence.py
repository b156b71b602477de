import os
import subprocess
import sys

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
