"""Loading a `.keras` file without running code from it, and without filling the memory."""

import importlib
import json
import math
import threading
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from kerasrecipes.environment import import_keras
from kerasrecipes.errors import IntegrityError, printable

if TYPE_CHECKING:
    import keras

# What a file may hold beyond its weights: small states, and configs of large models.
SMALL = 1_000_000
LARGEST_CONFIG = 50_000_000
_LOADING = threading.Lock()


def load_model(path: str | Path) -> "keras.Model":
    """Load a Keras model from a file that may come from anywhere.

    Keras refuses code in the file (`safe_mode`). A file whose config asks for more weights
    than it holds is refused here, before the memory for them is taken.

    Args:
        path: A `.keras` file.

    Returns:
        The `keras.Model`.

    Raises:
        IntegrityError: If the file is no Keras model, is damaged, contains code, or would
            be too large.
    """
    path = Path(path)
    budget = _weight_budget(path)
    keras = import_keras()
    # Registers the layers of this package; which of them a file names is only known then.
    importlib.import_module("kerasrecipes.quantization.fake_quantization")
    # One load at a time, or one would take the other's limit for Keras's own method.
    with _LOADING, _limited_weights(keras, path, budget):
        try:
            return keras.models.load_model(path, safe_mode=True, compile=False)
        except IntegrityError:
            raise
        except Exception as error:  # what a hostile file makes Keras raise is not foreseeable
            raise IntegrityError(
                f"Keras refuses '{printable(path)}': {_reason(error)} ({type(error).__name__}). "
                "The file is damaged, holds code, or has layers that this version does not "
                "know; do not trust it."
            ) from error


def _reason(error: Exception) -> str:
    """Return the line in which Keras says what was wrong, out of a page of config."""
    text = str(error).rpartition("Exception encountered:")[2].strip()
    return printable(next(iter(text.splitlines()), "no reason given"))[:300]


def _weight_budget(path: Path) -> int:
    """Return how many numbers the weights of a file can be, from what it takes on the disk."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if archive.getinfo("config.json").file_size > LARGEST_CONFIG:
                raise ValueError(f"its config is larger than {LARGEST_CONFIG:,} bytes")
            if not isinstance(json.loads(archive.read("config.json")), dict):
                raise ValueError("its config is not an object")
            weight_bytes = archive.getinfo("model.weights.h5").file_size
        on_disk = path.stat().st_size
    except (OSError, KeyError, ValueError, RecursionError, NotImplementedError, RuntimeError,
            EOFError, zlib.error, zipfile.BadZipFile) as error:  # fmt: skip
        reason = printable(error.args[0] if isinstance(error, KeyError) else error)
        raise IntegrityError(
            f"'{printable(path)}' is not a readable .keras file: {reason}."
        ) from error
    if sum(member.file_size for member in members) > 10 * on_disk + SMALL:
        raise IntegrityError(
            f"'{printable(path)}' unpacks to much more than its {on_disk:,} bytes. It is made to "
            "fill the memory; do not trust it."
        )
    return weight_bytes + SMALL


@contextmanager
def _limited_weights(keras: ModuleType, path: Path, budget: int) -> Iterator[None]:
    """Let layers add weights up to a budget, and refuse the one that passes it."""
    original = keras.layers.Layer.add_weight
    added, loading = 0, threading.get_ident()

    def add_weight(layer: Any, shape: Any = None, *args: Any, **kwargs: Any) -> Any:
        nonlocal added
        if threading.get_ident() != loading:
            return original(layer, shape, *args, **kwargs)
        wanted = (shape,) if isinstance(shape, int) else shape or ()
        added += math.prod(size or 1 for size in wanted)
        if added > budget:
            raise IntegrityError(
                f"'{printable(path)}' asks for more than {added:,} weights but holds only "
                f"{budget - SMALL:,} bytes of them. It is damaged, or made to fill the memory; "
                "do not trust it."
            )
        return original(layer, shape, *args, **kwargs)

    keras.layers.Layer.add_weight = add_weight
    try:
        yield
    finally:
        keras.layers.Layer.add_weight = original
