"""Keeping the chatter of native libraries away from the user's terminal."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from types import ModuleType


@contextmanager
def silenced() -> Iterator[None]:
    """Hide what is written to stdout and stderr, also by C++ code.

    The converter and the runtime print from C++, past `sys.stdout`, so the file
    descriptors themselves are pointed elsewhere, for the whole process while the block
    runs. When the block raises, what was hidden is added to the exception as a note,
    because it often holds the real reason.

    Example:
        >>> with silenced():
        ...     print("not shown")
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as hidden:
        _flush()
        saved = [(fd, os.dup(fd)) for fd in (1, 2)]
        try:
            for fd, _ in saved:
                os.dup2(hidden.fileno(), fd)
            # In a notebook `sys.stdout` does not end at descriptor 1.
            with redirect_stdout(hidden), redirect_stderr(hidden):
                yield
        except Exception as error:
            hidden.flush()
            hidden.seek(0)
            if text := hidden.read().strip():
                error.add_note("Output of the library:\n" + "\n".join(text.splitlines()[-20:]))
            raise
        finally:
            _flush()
            for fd, copy in saved:
                os.dup2(copy, fd)
                os.close(copy)


def import_keras() -> ModuleType:
    """Import keras and start tensorflow without the greetings of its native libraries."""
    if "keras" not in sys.modules:
        with silenced():
            import keras
            import tensorflow as tf

            tf.constant(0)  # the first operation greets, too
    import keras
    import tensorflow as tf

    # Made while its output was hidden, it would go on writing there; what it says of retracing
    # is no business of a user.
    logger = tf.get_logger()
    logger.setLevel("ERROR")
    for handler in logger.handlers:
        # `setStream` would flush the old stream, which is closed.
        handler.stream = sys.stderr
    return keras


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
