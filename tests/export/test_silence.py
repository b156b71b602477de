import os
import sys

import pytest

from kerasrecipes.silence import silenced


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
