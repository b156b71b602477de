"""Keeping what took long to compute when it cannot be saved where it was to be."""

import errno
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kerasrecipes.errors import printable, tell_besides
from kerasrecipes.files import told_error
from kerasrecipes.report.words import size
from kerasrecipes.training.fitted import Fittable


def check_room(to: Path, parameters: int) -> None:
    """Refuse, before the work, a disk that a model's weights alone would not fit on.

    Args:
        to: The model's folder; it need not exist.
        parameters: How many weights it has, of 4 bytes.

    Raises:
        OSError: If there is no room for them.
    """
    existing = next(path for path in (to, *to.absolute().parents) if path.exists())
    free, needed = shutil.disk_usage(existing).free, 4 * parameters
    if free < needed:
        raise told_error(
            errno.ENOSPC,
            f"The model will not fit into '{printable(to)}': its weights take {size(needed)}, and "
            f"{size(free)} are free. Free some space, or name a folder elsewhere.",
        )


def save_or_keep(made: Any, to: Path, again: str | None = None) -> Any:
    """Save, or else keep what was to be saved in another place, and say where it is.

    Args:
        made: Its `save` writes a new version of a model's folder.
        to: The folder.
        again: What to do instead, where nothing is lost if it is not kept.

    Returns:
        What `save` returns.

    Raises:
        OSError: What `save` raised, with the place where the model is now. Of other errors a note
            names it.
    """
    try:
        return made.save(to)
    except OSError as error:
        instead = again or _kept(made, to)
        raise told_error(
            error.errno, f"{error.strerror or error}".rstrip(". ") + f". {instead}"
        ) from error
    except Exception as error:
        tell_besides(error, again or _kept(made, to))
        raise


@contextmanager
def kept_on_error(made: Any, to: Path) -> Iterator[None]:
    """Keep what took long to compute if the block, which only measures it, fails.

    The error gets a note that says where it is.

    Args:
        made: What is kept, as in `save_or_keep`; a recipe is once it was trained, also in the
            block.
        to: The model's folder; what was not measured as it should be is not put there.
    """
    try:
        yield
    except Exception as error:
        if not isinstance(made, Fittable) or hasattr(made, "fitted_"):
            tell_besides(error, _kept(made, to))
        raise


def _kept(made: Any, to: Path) -> str:
    name = to.absolute().name
    for save, told in ((_whole, _COPY), (_weights, _WEIGHTS)):
        for root in (Path(tempfile.gettempdir()), Path.home()):
            folder = root / f"kerasrecipes-kept-{time.time_ns():x}"
            try:
                folder.mkdir(mode=0o700)
            except OSError:
                continue
            try:
                kept = save(made, folder / name)
            except Exception:  # what failed before may fail here, too; the next way is simpler
                shutil.rmtree(folder, ignore_errors=True)
                continue
            return f"What was computed is not lost: {told.format(printable(kept), printable(to))}"
    return (
        "There was no room for the model in the folder for temporary files or at home either, so "
        "it is lost. A fit with a run folder (--run) can be saved again without training again."
    )


_COPY = (
    "the model is in '{}'. Copy this folder into '{}' as its next version, before temporary files "
    "are removed."
)
_WEIGHTS = (
    "the bare Keras model is in '{}', which keras.saving.load_model reads. Copy it before "
    "temporary files are removed."
)


def _whole(made: Any, to: Path) -> Path:
    made.save(to)
    return to / "1"


def _weights(made: Any, to: Path) -> Path:
    path = to.with_suffix(".keras")
    getattr(made, "recipe", made).model_.save(path)
    return path
