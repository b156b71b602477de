"""The command line: the same verbs and messages as in Python.

Nothing heavy is imported before a command runs, so that `--help`, `ls`, `predict` and
`verify` answer at once; the last two need tensorflow for nothing but a SavedModel.
"""

import functools
import inspect
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated, Any

import typer
from typer.models import OptionInfo

from kerasrecipes._version import __version__
from kerasrecipes.cli import (
    catalogue,
    diagnosing,
    fitting,
    models,
    operating,
    optimizing,
    photos,
    promoting,
    recipes,
    recommending,
    serving,
    watching,
)
from kerasrecipes.errors import (
    DISK_REMEDIES,
    KerasRecipesError,
    explained,
    printable,
    tell_besides,
    told_besides,
)

app = typer.Typer(
    name="kerasrecipes",
    help="A folder of photos goes in, a verified model on a phone comes out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
COMMANDS = {
    "ls": catalogue.list_everything,
    "cp": catalogue.copy,
    "doctor": photos.doctor,
    "show-augmentation": photos.show_augmentation,
    "recommend": recommending.recommend,
    "init": recipes.init,
    "train": fitting.train,
    "ablate": fitting.ablate,
    "tune": recommending.tune,
    "auto": recommending.auto,
    "evaluate": models.evaluate,
    "mistakes": diagnosing.mistakes,
    "stress": diagnosing.stress,
    "over-time": diagnosing.over_time,
    "compare": operating.compare,
    "operate": operating.operate,
    "export": models.export_saved,
    "starter": models.starter,
    "report": diagnosing.report,
    "verify": models.verify_saved,
    "sign": models.sign,
    "benchmark": models.benchmark_saved,
    "predict": models.predict,
    "score": serving.score,
    "explain": models.explain,
    "review": photos.review,
    "drift": watching.drift,
    "monitor": watching.monitor,
    "edge": watching.edge,
    "collect": watching.collect,
    "check": promoting.check,
    "promote": promoting.promote,
    "retrain": promoting.retrain,
    "rollback": promoting.rollback,
    "rollout": serving.rollout,
    "history": promoting.history,
    "diff": promoting.diff,
    "bom": promoting.bom,
    "serve": serving.serve,
    "new-key": serving.add_key,
    "optimize": optimizing.optimize,
    "prune": optimizing.prune_saved,
    "quantize": optimizing.quantize_saved,
    "distil": optimizing.distil_saved,
}
# Arguments whose option has another name, as messages write them between backticks.
OPTIONS = {
    "alias": "--as",
    "ways": "--begin",
    "leave_out_seen": "--leave-out-seen",
    "looks_per_false_alarm": "--looks",
    "max_latency_ms": "--max-ms",
    "max_size_mb": "--max-mb",
    "resume": "--resume",
    "resume=True": "--resume",
    "run_folder": "--run",
    "costs": "--costs",
    "batch": "--batch",
    "batch_delay_ms": "--batch-delay-ms",
    "host": "--host",
    "keys": "--keys",
    "max_body_mb": "--max-body-mb",
    "max_length": "--max-length",
    "without_keys": "--without-keys",
    "keep_photos": "--keep-photos",
    "otel": "--otel",
    "review_queue": "--review-queue",
}


_ENDING = (signal.SIGTERM, signal.SIGHUP)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version, and end."
        ),
    ] = False,
) -> None:
    """Take the options that stand before a command."""


def _telling_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Let a command say which of its options named the file that could not be opened."""

    @functools.wraps(command)
    def run(**given: Any) -> Any:
        try:
            return command(**given)
        except (KerasRecipesError, OSError) as error:
            behind = (getattr(one, "filename", None) for one in (error, error.__cause__))
            files = {str(one) for one in behind if one is not None}
            for name, option in _options_of(command):
                if str(given.get(name)) in files:
                    tell_besides(error, f"It was named by {option}.")
            raise

    return run


def _options_of(command: Callable[..., Any]) -> Iterator[tuple[str, str]]:
    for name, parameter in inspect.signature(command).parameters.items():
        for info in getattr(parameter.annotation, "__metadata__", ()):
            if isinstance(info, OptionInfo):
                yield name, (info.param_decls or [f"--{name.replace('_', '-')}"])[0]


_command: Any
for _name, _command in COMMANDS.items():
    app.command(_name)(_telling_options(_command))


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; set KERASRECIPES_DEBUG=1 to see where an error came from.

    Args:
        arguments: What would be typed after `kerasrecipes`; `None` for `sys.argv`.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # A name that is no valid text must not stop the printing of a result.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a closed stream is None, a notebook's has none
            stream.reconfigure(errors="backslashreplace")
    try:
        with _ended_by_signals(), _told_what_is_missing():
            _run(arguments)
    except SystemExit as end:
        # Told here, where nothing hides the standard error any more, and only once.
        number = _signal_behind(end)
        if number in _ENDING:
            print(f"\nEnded by {signal.Signals(number).name}.", file=sys.stderr)
        elif (interrupt := _interrupt_behind(end)) is not None:
            kept = " ".join(getattr(interrupt, "__notes__", ()))
            said = f"Interrupted. {kept}" if kept else "Interrupted; nothing was saved."
            print(f"\n{said}", file=sys.stderr)
        raise
    except (KerasRecipesError, ValueError, OSError) as error:
        if os.environ.get("KERASRECIPES_DEBUG"):
            raise
        said, besides = _message(error), told_besides(error)
        if besides and not said.endswith((".", "!", "?")):
            said += "."
        print(f"{type(error).__name__}: {' '.join([said, *besides])}", file=sys.stderr)
        sys.exit(getattr(error, "exit_code", 1))


@contextmanager
def _told_what_is_missing() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise explained(error) from error


def _run(arguments: list[str] | None) -> None:
    """Run a command, and notice what could not be printed before Python ends."""
    try:
        try:
            app(arguments, prog_name="kerasrecipes")
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except OSError as error:
        if error.filename is not None or error.strerror != os.strerror(error.errno or 0):
            raise
        # What is left of it would be tried again at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if isinstance(error, BrokenPipeError):
            sys.exit(1)
        remedy = DISK_REMEDIES.get(error.errno or 0, "Correct that")
        raise OSError(
            error.errno,
            f"Not all could be printed: {error.strerror}. {remedy} where it goes, then run the "
            "command again",
        ) from error


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """End as after an error, so that nothing half-written is left; a second signal kills.

    What a signal raises in code that runs out of turn, e.g. while garbage is collected, is dropped
    by Python, and the command would go on: the signal is sent again then.
    """

    def end(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        sys.exit(128 + number)

    def send_again(dropped: "sys.UnraisableHookArgs") -> None:
        number = _signal_behind(dropped.exc_value)
        if number is None:
            return told(dropped)
        if number in unhandled:
            signal.signal(number, end)
        later = threading.Timer(0.05, os.kill, (os.getpid(), number))
        later.daemon = True
        later.start()

    unhandled = [
        number
        for number in _ENDING
        if threading.current_thread() is threading.main_thread()
        and signal.getsignal(number) is signal.SIG_DFL
    ]
    for number in unhandled:
        signal.signal(number, end)
    told, sys.unraisablehook = sys.unraisablehook, send_again
    try:
        yield
    finally:
        sys.unraisablehook = told
        for number in unhandled:
            signal.signal(number, signal.SIG_DFL)


def _signal_behind(error: BaseException | None) -> int | None:
    """Return which signal raised an error, or `None`."""
    if isinstance(error, KeyboardInterrupt):
        return signal.SIGINT
    code = error.code if isinstance(error, SystemExit) else None
    return code - 128 if isinstance(code, int) and code > 128 else None


def _interrupt_behind(error: BaseException | None) -> KeyboardInterrupt | None:
    """Return what Ctrl-C raised, if that is behind an exit; typer says nothing about it."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error


def _message(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror + (f": '{printable(error.filename)}'" if error.filename else "")
    return re.sub("(?<=`)[^`]+(?=`)", lambda name: OPTIONS.get(name[0], name[0]), str(error))
