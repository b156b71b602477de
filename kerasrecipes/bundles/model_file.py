"""Loading a `.keras` file without running code from it, and without filling the memory."""

import importlib
import io
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from kerasrecipes.environment import import_keras
from kerasrecipes.errors import IntegrityError, printable
from kerasrecipes.file_budget import (
    SMALL,
    allowed_bytes,
    check_archive,
    check_hdf5,
    limited_weights,
)
from kerasrecipes.keras_private import spare_names
from kerasrecipes.records import parse_json
from kerasrecipes.regular import open_regular
from kerasrecipes.surgery.model_config import check_config, check_tensors

if TYPE_CHECKING:
    import keras

LARGEST_CONFIG = 50_000_000


def load_model(path: str | Path, name: str | Path | None = None) -> "keras.Model":
    """Load a Keras model from a file that may come from anywhere.

    Keras refuses code in the file (`safe_mode`). A file whose config asks for more weights
    than it holds is refused here, before the memory for them is taken.

    Args:
        path: A `.keras` file.
        name: What to call it in messages; by default its path.

    Returns:
        The `keras.Model`.

    Raises:
        IntegrityError: If the file is no Keras model, is damaged, contains code, or would
            be too large.
    """
    called = printable(name or path)
    budget = _weight_budget(Path(path), called)
    keras = import_keras()
    # Registers the layers of this package; which of them a file names is only known then.
    importlib.import_module("kerasrecipes.heads.parts")
    importlib.import_module("kerasrecipes.quantization.fake_quantization")

    def refusal(wanted: int) -> Exception:
        return IntegrityError(
            f"'{called}' asks for more than {wanted:,} weights but holds only "
            f"{budget - SMALL:,} bytes of them. It is damaged, or made to fill the memory; "
            "do not trust it."
        )

    with limited_weights(budget, refusal):
        try:
            model = keras.models.load_model(path, safe_mode=True, compile=False)
            check_tensors(model)
            spare_names(model)
            return model
        except IntegrityError:
            raise
        except Exception as error:  # what a hostile file makes Keras raise is not foreseeable
            raise IntegrityError(
                f"Keras refuses '{called}': {_reason(error)} ({type(error).__name__}). "
                "The file is damaged, holds code, or has layers that this version does not "
                "know; do not trust it."
            ) from error


def _reason(error: Exception) -> str:
    """Return the line in which Keras says what was wrong, out of a page of config."""
    text = str(error).rpartition("Exception encountered:")[2].strip()
    return printable(next(iter(text.splitlines()), "no reason given"))[:300]


def _weight_budget(path: Path, called: str) -> int:
    """Return how many numbers the weights of a file can be, from what it takes on the disk."""
    import h5py

    try:
        on_disk = path.stat().st_size
        with open_regular(path) as opened, zipfile.ZipFile(opened) as archive:
            check_archive(archive, on_disk, allowed_bytes(on_disk))
            if archive.getinfo("config.json").file_size > LARGEST_CONFIG:
                raise ValueError(f"its config is larger than {LARGEST_CONFIG:,} bytes")
            config = parse_json(archive.read("config.json"))
            weights = archive.read("model.weights.h5")
            with h5py.File(io.BytesIO(weights), "r") as file:
                groups = check_hdf5(file, allowed_bytes(on_disk))
            check_config(config, groups)
    except (OSError, KeyError, ValueError, RecursionError, NotImplementedError, RuntimeError,
            EOFError, TypeError, zlib.error, zipfile.BadZipFile) as error:  # fmt: skip
        reason = printable(error.args[0] if isinstance(error, KeyError) else error)
        raise IntegrityError(f"'{called}' is not a readable .keras file: {reason}.") from error
    return len(weights) + SMALL
