"""Exception types and the small pieces that make a message worth reading."""

import difflib
import errno
import importlib
import os
import traceback
import unicodedata
from collections import Counter
from collections.abc import Iterable
from numbers import Integral, Real
from pathlib import Path
from types import ModuleType
from typing import Any

DISK_REMEDIES = {
    errno.ENOSPC: "Free some space",
    errno.EDQUOT: "Free some space",
    errno.EACCES: "Make it writable, or name another folder",
    errno.EPERM: "Make it writable, or name another folder",
    errno.EROFS: "Name a folder that can be written",
    errno.ENOTDIR: "Name another folder",
    errno.EFBIG: "Name a place that takes larger files",
    errno.ENAMETOOLONG: "Choose a shorter name",
    errno.EIO: "Check the disk, and how large a file may be there",
}
# What other libraries make of it, besides the system's words: sqlite and numpy.
_OTHER_WORDS = {
    "disk is full": errno.ENOSPC,
    "readonly database": errno.EROFS,
    "disk I/O error": errno.EIO,
    "unable to open database file": errno.EACCES,
    " requested and ": errno.ENOSPC,
}


class KerasRecipesError(Exception):
    """Base of all errors that this package raises on purpose."""

    exit_code = 1


class DataError(KerasRecipesError, ValueError):
    """Photos, labels or a table are not what the caller believes they are."""


class NoEffectError(KerasRecipesError, ValueError):
    """An argument would change nothing, with this model or with this schedule."""


class NotFittedError(KerasRecipesError, RuntimeError, AttributeError):
    """Something that `fit` learns was asked for before `fit`."""


class TrainingError(KerasRecipesError, RuntimeError):
    """A training cannot go on: its numbers are not finite, or memory or a worker is missing."""


class VerificationError(KerasRecipesError, RuntimeError):
    """An exported file is not the same model, or breaks a stated tolerance."""

    exit_code = 3


class IntegrityError(KerasRecipesError, RuntimeError):
    """A file of a bundle was changed, added or removed since it was written."""

    exit_code = 4


class DownloadError(KerasRecipesError, RuntimeError):
    """Weights were asked for by name and could not be fetched."""


class MissingDependencyError(KerasRecipesError, ImportError):
    """An optional package is needed and not installed."""


# What training takes, and a light install has not.
_FOR_TRAINING = {
    "keras", "matplotlib", "scipy", "sklearn", "tensorflow", "tensorflow_model_optimization",
    "tf_keras",
}  # fmt: skip


def explained(error: ModuleNotFoundError) -> ModuleNotFoundError | MissingDependencyError:
    """Say what to install where a light install lacks what training takes.

    Args:
        error: What Python says.

    Returns:
        The same error where something else is missing.

    Example:
        >>> print(explained(ModuleNotFoundError("No module named 'keras'", name="keras")))
        This needs 'keras', which a light install leaves out. Run: pip install kerasrecipes
    """
    lacks = (error.name or "").partition(".")[0]
    if lacks not in _FOR_TRAINING:
        return error
    return MissingDependencyError(
        f"This needs '{lacks}', which a light install leaves out. Run: pip install kerasrecipes"
    )


class PluginError(KerasRecipesError, ImportError):
    """An installed package adds an entry to a catalogue, and it cannot be used."""


def is_number(
    value: object,
    low: float,
    high: float,
    *,
    whole: bool = False,
    above: bool = False,
    below: bool = False,
) -> bool:
    """Tell whether an argument is a number in a range; True, False and NaN are not.

    Args:
        value: What the caller passed.
        low: Smallest legal value.
        high: Largest legal value.
        whole: Whether it must be a whole number.
        above: Whether `low` itself is not legal.
        below: Whether `high` itself is not legal.

    Example:
        >>> is_number(1.5, 1, 10), is_number(1.5, 1, 10, whole=True), is_number(True, 1, 10)
        (True, False, False)
    """
    if isinstance(value, bool) or not isinstance(value, Integral if whole else Real):
        return False
    number: Any = value
    at_an_end = (above and number == low) or (below and number == high)
    return bool(low <= number <= high and not at_an_end)


def closest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is spelled most like `name`, or `None` when nothing is close."""
    close = difflib.get_close_matches(name.lower().replace("-", "_"), list(known), n=1, cutoff=0.6)
    return close[0] if close else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `" Did you mean 'x'?"`, or an empty string when nothing is close."""
    near = closest(name, known)
    return f" Did you mean {near!r}?" if near else ""


def unknown_name(kind: str, name: object, known: Iterable[str], see: str) -> ValueError:
    """Build the error for a name that is not in a catalogue.

    Args:
        kind: What the name stands for, e.g. `"backbone"`.
        name: What the caller passed.
        known: All legal names.
        see: A call that lists them, e.g. `"kerasrecipes.list_backbones()"`.

    Returns:
        A `ValueError`, to be raised by the caller.
    """
    known = sorted(known)
    hint = did_you_mean(str(name), known)
    choices = f"See all with {see}." if len(known) > 8 else f"Choose from: {listed(known, 8)}."
    return ValueError(f"Unknown {kind} {name!r}.{hint} {choices}")


def is_refusal(error: BaseException) -> bool:
    """Tell whether this package raised an error to say what cannot be done.

    What a library beneath it raises is not foreseen, and not to be passed over.

    Args:
        error: What was caught.
    """
    if isinstance(error, KerasRecipesError):
        return True
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    ours = Path(frame.f_code.co_filename).is_relative_to(Path(__file__).parent)
    return ours and isinstance(error, ValueError)


def tell_besides(error: BaseException, what: str) -> None:
    """Add to an error what is not its reason, e.g. where something was kept.

    Args:
        error: It gets a note, which the command line prints behind its message.
        what: A sentence.
    """
    error.add_note(what)
    vars(error).setdefault("besides", []).append(what)


def told_besides(error: Exception) -> list[str]:
    """Return what `tell_besides` added to an error."""
    return list(vars(error).get("besides", ()))


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says, for a message."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return printable(lines[0] if lines else repr(error))[:200]


def out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that a device has no memory left.

    Args:
        error: What tensorflow or JAX raised.
    """
    text = f"{type(error).__name__} {error}"
    # Tensorflow calls a full disk by the same name.
    disk = "No space left" in text or "quota" in text
    return not disk and ("ResourceExhaustedError" in text or "RESOURCE_EXHAUSTED" in text)


def disk_error(error: BaseException | None) -> int | None:
    """Return the number of what the system says of a disk or name, `None` if it says nothing.

    Args:
        error: What was caught; libraries repeat the system's words in errors of their own, or
            raise these while they handle the system's.

    Example:
        >>> disk_error(RuntimeError("cannot write: No space left on device"))
        28
    """
    words = {os.strerror(number): number for number in DISK_REMEDIES} | _OTHER_WORDS
    while error is not None:
        if isinstance(error, OSError) and error.errno in DISK_REMEDIES:
            return error.errno
        for said, number in words.items():
            if said in str(error):
                return number
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return None


def printable(text: object) -> str:
    """Escape control, bidirectional and undecodable characters for a terminal.

    Example:
        >>> printable("a\\nb")
        'a\\\\nb'
    """
    return "".join(
        char
        if unicodedata.category(char) not in {"Cc", "Cf", "Cs"}
        else char.encode("unicode_escape", "surrogatepass").decode("ascii")
        for char in str(text)
    )


def listed(items: Iterable[object], limit: int = 5) -> str:
    """Join up to `limit` items for a message and count the rest.

    Example:
        >>> listed(["a", "b", "c"], limit=2)
        "'a', 'b' and 1 more"
    """
    items = list(items)
    shown = ", ".join(f"'{printable(item)}'" for item in items[:limit])
    return shown + (f" and {len(items) - limit} more" if len(items) > limit else "")


def repeated(items: Iterable[str]) -> list[str]:
    """Return what occurs more than once, sorted.

    Example:
        >>> repeated(["b", "a", "b"])
        ['b']
    """
    return sorted(item for item, count in Counter(items).items() if count > 1)


def require(module: str, extra: str, purpose: str) -> ModuleType:
    """Import an optional module, or say which extra installs it.

    Args:
        module: Dotted module name.
        extra: The extra of this package that installs it.
        purpose: The beginning of the message, e.g. `"The backbone 'hub:x'"`.

    Raises:
        MissingDependencyError: If the module cannot be imported.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"{purpose} needs {error.name!r}, which is not installed. "
            f'Run: pip install "kerasrecipes[{extra}]".'
        ) from error
