"""What the program runs under: the backend, its greetings, and the versions."""

import os
import platform
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import (
    AbstractContextManager,
    ExitStack,
    contextmanager,
    redirect_stderr,
    redirect_stdout,
)
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import IO, Any

from kerasrecipes._version import __version__

ENVIRONMENT_VARIABLE = "KERASRECIPES_CACHE"


class _Hiding:
    """Who hides output now, and what to put back when the last of them is done."""

    lock = threading.RLock()
    running = 0
    undo = ExitStack()
    hidden: IO[str]


@contextmanager
def silenced() -> Iterator[None]:
    """Hide what is written to stdout and stderr, also by C++ code.

    The converter and the runtime print from C++, past `sys.stdout`, so the file
    descriptors themselves are pointed elsewhere, for the whole process while the block
    runs; blocks may run in several threads at once. When the block raises, what was hidden
    is added to the exception as a note, because it often holds the real reason.

    Example:
        >>> with silenced():
        ...     print("not shown")
    """
    with _Hiding.lock:
        if not _Hiding.running:
            _Hiding.undo = _hide()
        _Hiding.running += 1
        begin = os.fstat(_Hiding.hidden.fileno()).st_size
    try:
        yield
    except Exception as error:
        _Hiding.hidden.flush()
        descriptor = _Hiding.hidden.fileno()
        found = os.pread(descriptor, os.fstat(descriptor).st_size - begin, begin)
        if text := found.decode(errors="replace").strip():
            error.add_note("Output of the library:\n" + "\n".join(text.splitlines()[-20:]))
        raise
    finally:
        with _Hiding.lock:
            _Hiding.running -= 1
            if not _Hiding.running:
                _Hiding.undo.close()


def _hide() -> ExitStack:
    """Point both streams elsewhere, and return what puts them back."""
    with ExitStack() as undo:
        _Hiding.hidden = undo.enter_context(
            tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        )
        _flush()
        for descriptor in (1, 2):
            copy = os.dup(descriptor)
            undo.callback(os.close, copy)
            undo.callback(os.dup2, copy, descriptor)
            os.dup2(_Hiding.hidden.fileno(), descriptor)
        undo.callback(_flush)
        # In a notebook `sys.stdout` does not end at descriptor 1.
        undo.enter_context(redirect_stdout(_Hiding.hidden))
        undo.enter_context(redirect_stderr(_Hiding.hidden))
        return undo.pop_all()


def import_keras() -> ModuleType:
    """Import keras and start tensorflow without the greetings of its native libraries.

    Each imports the other. Threads that begin with different ones would wait for each other, and
    Python hands out half of a module then: what may be the first to need either begins here.

    Raises:
        ImportError: If other threads have begun with tensorflow, and left halves.
    """
    if "keras" not in sys.modules:
        with silenced():
            import keras
            import tensorflow as tf

            tf.constant(0)  # the first operation greets, too
    import keras
    import tensorflow as tf

    if not hasattr(keras, "Model") or not hasattr(tf, "get_logger"):
        raise ImportError(
            "keras and tensorflow are half imported, since several threads began with them at "
            "once. Start the program again, and import keras before it starts threads."
        )
    # Made while its output was hidden, it would go on writing there; what it says of retracing
    # is no business of a user.
    logger = tf.get_logger()
    logger.setLevel("ERROR")
    for handler in logger.handlers:
        # `setStream` would flush the old stream, which is closed.
        handler.stream = sys.stderr
    return keras


def one_thread() -> AbstractContextManager[Any]:
    """Keep linear algebra to one thread, while a block runs.

    Threads that share matrices of a few hundred rows mostly wait for each other: regressions took
    5 to 30 times the CPU seconds so.
    """
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(1, user_api="blas")
    return limits


def cache_folder() -> Path | None:
    """Say where converted weights and copies are kept.

    Returns:
        The folder in `KERASRECIPES_CACHE`, else `kerasrecipes` in the platform's cache
        folder; `None` where there is no home folder to put it.
    """
    if chosen := os.environ.get(ENVIRONMENT_VARIABLE):
        return Path(chosen)
    if base := os.environ.get("LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME"):
        return Path(base) / "kerasrecipes"
    try:
        return Path.home() / ".cache" / "kerasrecipes"
    except RuntimeError:
        return None


def process_beside(code: str) -> "subprocess.Popen[bytes]":
    """Begin a process of Python that this one talks to: what this one can import, it can, too.

    It imports nothing of the program that began it, which therefore needs no guard for that.

    Args:
        code: What it runs.
    """
    package = str(Path(__file__).parents[1])
    searched = os.pathsep.join(filter(None, [package, *sys.path]))
    return subprocess.Popen(
        [sys.executable, "-P", "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": searched},
    )


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()


_LIBRARIES = ("tensorflow", "keras", "ai-edge-litert", "numpy", "pillow")
# Under another name until it is released, and imported by the same.
_UNRELEASED = {"tensorflow": "tf-nightly", "keras": "keras-nightly"}


def timestamp() -> str:
    """Return the time now, to the second, in UTC, as ISO 8601 writes it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def library_versions() -> dict[str, str]:
    """Return the versions of Python, this package and what it computes with."""
    found = {"kerasrecipes": __version__, "python": platform.python_version()}
    for name in _LIBRARIES:
        installed = _version_of(name) or _version_of(_UNRELEASED.get(name, name))
        if installed:
            found[name] = installed
    return found


def _version_of(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def check_backend() -> None:
    """Find out before a fit whether it can run here.

    Raises:
        ValueError: If Keras runs on a backend that this package is not tested with.
    """
    import keras

    backend = keras.backend.backend()
    if backend not in {"tensorflow", "jax"}:
        raise ValueError(
            f"A recipe fits on the Keras backends 'tensorflow' and 'jax', not on {backend!r}. "
            "Set KERAS_BACKEND=tensorflow, before keras is imported."
        )


def be_deterministic() -> None:
    """Let operations give the same bits each time, at a cost on a GPU.

    Raises:
        ValueError: If that cannot be asked for from here.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "`deterministic` would have no effect: JAX is deterministic on a CPU, and on a GPU "
            "when the environment has XLA_FLAGS=--xla_gpu_deterministic_ops=true. Leave it out."
        )
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()
