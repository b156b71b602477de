"""What the library says to people: lines through `logging`, and bars on a terminal."""

import atexit
import functools
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from kerasrecipes.arguments import named
from kerasrecipes.errors import printable, unknown_name
from kerasrecipes.regular import append_whole

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

VERBOSITIES = {
    "info": logging.INFO,
    "warning": logging.WARNING,
    "silent": logging.CRITICAL + 1,
}
# What is done sooner needs no bar, and a bar no more frames than that.
BAR_AFTER, BAR_EVERY = 0.5, 0.1

_logger = logging.getLogger("kerasrecipes")
# Of each thread on its own, so that two fits at a time are heard as each of them was asked to be.
_quiet = ContextVar("quiet", default=False)
_file: ContextVar[Path | None] = ContextVar("file", default=None)
_lock = threading.RLock()
_screen: "Progress | None" = None

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


@contextmanager
def kept_if_interrupted(folder: Path | None) -> Iterator[None]:
    """Note in a KeyboardInterrupt where what was done is kept, for the command line to say.

    Args:
        folder: Where the same call would go on; `None` for nowhere.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        if folder is not None and folder.is_dir() and any(folder.iterdir()):
            error.add_note(
                f"What is done so far is in '{printable(folder)}'; the same again goes on with it."
            )
        raise


@named
def set_verbosity(level: str) -> None:
    """Choose what the library says from now on; `verbose=False` silences a single call.

    Lines go to standard error. Where a program has told `logging` where its records go, those of
    the logger `"kerasrecipes"` go there instead, from the level on that it chose, unless one is
    set here; nothing is printed then. A bare `logging.basicConfig()` does not count, since
    libraries call it, too.

    Args:
        level: `"info"` for progress and warnings, `"warning"` for warnings alone, `"silent"`.

    Raises:
        ValueError: If there is no such level.

    Example:
        >>> set_verbosity("info")
    """
    if level not in VERBOSITIES:
        raise unknown_name("level", level, VERBOSITIES, "help(kerasrecipes.set_verbosity)")
    _logger.setLevel(VERBOSITIES[level])


def say(line: str) -> None:
    """Tell of progress."""
    _tell(logging.INFO, line, line)


def warn(line: str) -> None:
    """Tell of what is likely to be a mistake."""
    _tell(logging.WARNING, line, f"Warning: {line}")


def _tell(level: int, line: str, printed: str) -> None:
    if (path := _file.get()) is not None:
        append_whole(path, f"{printed}\n")
    if not _is_heard(level):
        return
    if _is_routed():
        _logger.log(level, line, stacklevel=3)
        return
    with _lock:
        if _screen is None:
            print(printed, file=sys.stderr, flush=True)
        else:
            from rich.text import Text

            _screen.console.print(Text(printed), soft_wrap=True)


def _is_heard(level: int) -> bool:
    if _quiet.get() or level <= _logger.manager.disable:
        return False
    if _logger.level or _is_routed():
        return _logger.isEnabledFor(level)
    return level >= logging.INFO


def _is_routed() -> bool:
    """Whether somebody has told where records go."""
    if _logger.handlers or not _logger.propagate:
        return True
    root = logging.getLogger()
    bare = root.level == logging.WARNING and all(map(_is_bare, root.handlers))
    return bool(root.handlers) and not bare


def _is_bare(handler: logging.Handler) -> bool:
    """Whether it is what one `logging.warning` or `absl.logging` of some library leaves behind."""
    values = {"levelname": "WARNING", "name": "root", "message": "told", "msg": "told"}
    told = handler.format(logging.makeLogRecord(values))
    return type(handler) is logging.StreamHandler and told == logging.BASIC_FORMAT % values


@contextmanager
def quiet() -> Iterator[None]:
    """Say nothing while the block runs, in this thread."""
    token = _quiet.set(True)
    try:
        yield
    finally:
        _quiet.reset(token)


def heeds_verbose(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Let a call with `verbose=False` say nothing, nor anything that it calls."""

    @functools.wraps(function)
    def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        if kwargs.get("verbose", True):
            return function(*args, **kwargs)
        with quiet():
            return function(*args, **kwargs)

    return call


@contextmanager
def kept_in(path: Path) -> Iterator[None]:
    """Also write into a file what is said while the block runs, in this thread, if only there."""
    token = _file.set(path)
    try:
        yield
    finally:
        _file.reset(token)


@contextmanager
def bar(what: str) -> Iterator[Callable[..., None]]:
    """Show on a terminal how far something is, with its rate and the time that is left.

    Args:
        what: What is done.

    Yields:
        A function of how many are done, of how many (`None` if nobody knows), and, if it is
        not what it was, what is done.
    """
    task, began, drawn = None, time.monotonic(), 0.0

    def show(done: int, of: int | None, what: str = what) -> None:
        nonlocal task, drawn
        now = time.monotonic()
        if now - began < BAR_AFTER or (now - drawn < BAR_EVERY and done != of):
            return
        drawn = now
        with _lock:
            if task is None and _is_terminal():
                task = _begun(what, done, of)
            if task is not None and _screen is not None:
                _screen.update(task, completed=done, total=of, description=what, refresh=True)

    try:
        yield show
    finally:
        if task is not None:
            _end(task)


def _is_terminal() -> bool:
    return sys.stderr.isatty() and _is_heard(logging.INFO) and not _is_routed()


def _begun(what: str, done: int, of: int | None) -> "TaskID":
    """Begin a bar, on the screen that all bars share with the lines that are said."""
    global _screen
    if _screen is None:
        _screen = _new_screen()
        _screen.start()
        # Hidden, it would stay so if the program was killed.
        _screen.console.show_cursor(True)
    return _screen.add_task(what, completed=done, total=of)


def _end(task: "TaskID") -> None:
    global _screen
    with _lock:
        if _screen is None:
            return
        if len(_screen.task_ids) > 1:
            _screen.remove_task(task)
            return
        _screen.stop()
        _screen = None


@atexit.register
def _leave_clean() -> None:
    """Take bars away whose owner was left by an exception that nobody caught."""
    if _screen is not None:
        _screen.stop()


def _new_screen() -> "Progress":
    from rich import progress
    from rich.console import Console
    from rich.text import Text

    class Rate(progress.ProgressColumn):
        def render(self, task: progress.Task) -> Text:
            return Text("" if task.speed is None else f"{task.speed:,.1f}/s")

    return progress.Progress(
        progress.TextColumn("  {task.description}", markup=False),
        progress.BarColumn(24),
        progress.MofNCompleteColumn(),
        Rate(),
        progress.TimeRemainingColumn(),
        console=Console(stderr=True),
        auto_refresh=False,
        transient=True,
        # What is printed for a pipe must not end up here.
        redirect_stdout=sys.stdout.isatty(),
    )
