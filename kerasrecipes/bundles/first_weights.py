"""The weights that a model starts from, where they are those of a saved model."""

from pathlib import Path
from typing import Any

from kerasrecipes.bundles.bundle import BundleFolder
from kerasrecipes.bundles.versions import is_bundle, version_folder
from kerasrecipes.errors import DataError, printable

_OF_A_CATALOGUE = ("default", "imagenet")


def weights_file(weights: str | Path | None) -> str | Path | None:
    """Return the file that weights are read from: of a saved model, its `model.keras`.

    Args:
        weights: What a recipe says, also a folder that `BundleFolder.load` opens.

    Raises:
        DataError: If it is a folder, and there is no saved model in it.
    """
    if weights is None or weights in _OF_A_CATALOGUE:
        return weights
    path = Path(weights)
    name, at, _ = path.name.partition("@")
    if path.is_dir() or (name and at and path.with_name(name).is_dir() and not path.exists()):
        try:
            return version_folder(path) / "model.keras"
        except DataError as error:
            told = printable(str(weights))
            raise DataError(f"`weights='{told}'` is a folder without weights: {error}") from None
    return weights


def seen_through(weights: str | Path | None, backbone: Any) -> dict[str, str]:
    """Return what the model has seen that gives another its first weights.

    Args:
        weights: What a recipe says; any file but the model of a bundle tells of nothing.
        backbone: The specification of its backbone.

    Returns:
        The split of every photo, as `BundleFolder.seen`.

    Raises:
        IntegrityError: If the bundle was changed.
    """
    if weights == "default":
        return dict(backbone.seen)
    bundle = giver_of(weights)
    return {} if bundle is None else bundle.seen()


def giver_of(weights: str | Path | None) -> BundleFolder | None:
    """Return the saved model that gives another one its weights; `None` if none does.

    Args:
        weights: What a recipe says.

    Raises:
        IntegrityError: If the bundle was changed.
    """
    weights = weights_file(weights)
    if weights is None or weights in _OF_A_CATALOGUE:
        return None
    folder = Path(weights).resolve().parent
    if not Path(weights).is_file() or not is_bundle(folder):
        return None
    return BundleFolder.load(folder)
