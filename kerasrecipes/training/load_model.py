"""Loading a `.keras` file without running code from it, and without filling the memory."""

import json
import zipfile
from pathlib import Path

from kerasrecipes.errors import IntegrityError
from kerasrecipes.silence import import_keras

# A layer has at least one weight per unit; below this size there is nothing to fear.
SMALL = 1_000_000
NO_SIZES = {"seed", "shared_object_id"}


def load_model(path: str | Path):
    """Load a Keras model from a file that may come from anywhere.

    Keras refuses code in the file (`safe_mode`); a config that asks for absurdly large
    layers is refused here, before any of them is built.

    Args:
        path: A `.keras` file.

    Returns:
        The `keras.Model`.

    Raises:
        IntegrityError: If the file is no Keras model, or would be too large.
        ValueError: From Keras, if the file contains code.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
            weight_bytes = archive.getinfo("model.weights.h5").file_size
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise IntegrityError(f"'{path}' is not a readable .keras file: {error}.") from error
    largest = max(_whole_numbers(config), default=0)
    if largest > max(weight_bytes, SMALL):
        raise IntegrityError(
            f"'{path}' asks for a layer of size {largest:,} but holds only {weight_bytes:,} bytes "
            "of weights. It is damaged, or made to fill the memory; do not trust it."
        )
    return import_keras().models.load_model(path, safe_mode=True, compile=False)


def _whole_numbers(config):
    """Yield every integer in a config, however deep, but for those that are no sizes."""
    stack = [config]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            stack += [value for key, value in item.items() if key not in NO_SIZES]
        elif isinstance(item, list):
            stack += item
        elif isinstance(item, int) and not isinstance(item, bool):
            yield item
