"""Keeping what took long to compute when it cannot be saved where it was to be."""

import errno
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from kerasrecipes.errors import printable
from kerasrecipes.files import told_error
from kerasrecipes.report.words import size

T = TypeVar("T")


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


def save_or_keep(save: Callable[[Path], T], to: Path, again: str | None = None) -> T:
    """Save, or else keep what was to be saved in another place, and say where it is.

    Args:
        save: Saves as a new version of a model's folder.
        to: The folder.
        again: What to do instead, where nothing is lost if it is not kept.

    Raises:
        OSError: What `save` raised, with the place where the model is now.
    """
    try:
        return save(to)
    except OSError as error:
        instead = again or _kept(save, to)
        raise told_error(
            error.errno, f"{error.strerror or error}".rstrip(". ") + f". {instead}"
        ) from error


def _kept(save: Callable[[Path], T], to: Path) -> str:
    for root in (Path(tempfile.gettempdir()), Path.home()):
        folder = root / f"kerasrecipes-kept-{time.time_ns():x}"
        try:
            folder.mkdir(mode=0o700)
        except OSError:
            continue
        try:
            save(folder / to.absolute().name)
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
            continue
        kept = folder / to.absolute().name / "1"
        return (
            f"What was computed is not lost: the model is in '{printable(kept)}'. Copy this folder "
            f"into '{printable(to)}' as its next version, before temporary files are removed."
        )
    return (
        "There was no room for the model in the folder for temporary files or at home either, so "
        "it is lost. A fit with a run folder (--run) can be saved again without training again."
    )
