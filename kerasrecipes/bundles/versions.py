"""The folder of a model, which holds its versions: bundles that are called 1, 2, …"""

import errno
import os
import re
from contextlib import suppress
from pathlib import Path

from kerasrecipes.arguments import named
from kerasrecipes.bundles.aliases import version_of_alias
from kerasrecipes.bundles.manifest import MANIFEST
from kerasrecipes.errors import DataError, IntegrityError, did_you_mean, listed, printable
from kerasrecipes.files import TemporaryFolder, told_plainly


@named
def check_model_folder(folder: str | Path) -> None:
    """Make sure that versions of a model can be written into a folder, before the work.

    Args:
        folder: The model's folder; it need not exist.

    Raises:
        DataError: If it is a version itself, or holds folders that are no versions.
        OSError: If nothing can be written there.
    """
    folder = Path(folder)
    with told_plainly(folder):
        _check_content(folder)
        existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        if not existing.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "There is a file of that name", str(existing))
        with TemporaryFolder(existing):
            pass


def _check_content(folder: Path) -> None:
    if is_bundle(folder):
        raise DataError(
            f"'{printable(folder)}' is one version of a model. Name the folder above it, "
            f"'{printable(folder.parent)}', and the next free version is written."
        )
    if folder.is_dir():
        strange = [
            path.name
            for path in sorted(folder.iterdir())
            if path.is_dir() and not path.name.startswith(".") and not is_bundle(path)
        ]
        if strange:
            raise DataError(
                f"'{printable(folder)}' holds folders that are no versions of a model: "
                f"{listed(strange)}. Name a folder for this model alone, e.g. "
                f"'{printable(folder / 'my_model')}'."
            )


def rename_to_next_version(folder: Path, name_folder: Path) -> Path:
    """Give a finished bundle its number, and return where it is then.

    Args:
        folder: The bundle, on the same disk.
        name_folder: The model's folder.

    Raises:
        OSError: If it cannot be renamed.
    """
    while True:
        target = name_folder / str(max(versions(name_folder), default=0) + 1)
        try:
            # Renaming onto an existing folder fails unless it is empty, so nothing is lost
            # when two runs save at the same time.
            folder.rename(target)
            return target
        except OSError:
            if not target.exists():
                raise


def versions(name_folder: Path) -> list[int]:
    """List the versions in a model's folder, in no order."""
    if not name_folder.is_dir():
        return []
    return [int(p.name) for p in name_folder.iterdir() if re.fullmatch("[1-9][0-9]*", p.name)]


def is_bundle(folder: Path) -> bool:
    """Tell whether a folder means to be a bundle, whatever stands in place of its manifest."""
    return os.path.lexists(folder / MANIFEST)


def version_folder(folder: Path) -> Path:
    """Find the bundle that is meant.

    Args:
        folder: A model's folder, whose latest version is taken, or one version of it, or the
            folder and an alias: `saved_models/tiles@champion`.

    Raises:
        DataError: If there is none.
        IntegrityError: If the version lacks its manifest, or the log of the aliases was changed.
        OSError: If it may not be looked into.
    """
    if is_bundle(folder):
        return folder
    name, at, alias = folder.name.partition("@")
    if at and not folder.exists() and versions(meant := folder.with_name(name or "@")):
        return _whole(meant / str(version_of_alias(meant, alias)))
    if found := versions(folder):
        return _whole(folder / str(max(found)))
    raise DataError(f"There is no saved model in '{printable(folder)}'.{_where_then(folder)}")


def _whole(version: Path) -> Path:
    """Return a version's folder, if it has a manifest."""
    if is_bundle(version):
        return version
    with suppress(FileNotFoundError, NotADirectoryError):
        os.lstat(version / MANIFEST)  # what may not be looked into is not damaged
    raise IntegrityError(
        f"'{printable(version)}' has no {MANIFEST}. Restore it from a copy, or name an older "
        "version."
    )


def _where_then(folder: Path) -> str:
    """Say where the saved model is that was probably meant."""
    inside = [parent for parent in folder.absolute().parents if is_bundle(parent)]
    if inside and folder.exists():
        return f" It is a part of one: give the folder '{printable(inside[0])}'."
    held = _models_in(folder)
    if held:
        return f" It holds {listed(held)}: give one of these, e.g. '{printable(folder / held[0])}'."
    return (
        f"{did_you_mean(folder.name, _models_in(folder.parent))} A model folder holds versions "
        "named 1, 2, …, each with a bundle.json."
    )


def _models_in(folder: Path) -> list[str]:
    beside = sorted(folder.iterdir()) if folder.is_dir() else ()
    return [path.name for path in beside if path.is_dir() and versions(path)]
