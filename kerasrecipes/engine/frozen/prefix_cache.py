"""Computing the frozen part of a model once, instead of once per epoch.

While the first blocks are frozen and BatchNorm statistics stand still, their output for a
photo never changes. So it is computed once per augmented view, kept on disk, and only what
is open trains. Nothing is approximated but the storage, in half precision by default.
"""

import math
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.console import bar, say
from kerasrecipes.data.batches import index_batches
from kerasrecipes.data.examples import Reader
from kerasrecipes.engine.frozen.runtime import frozen_engine
from kerasrecipes.environment import ENVIRONMENT_VARIABLE, cache_folder
from kerasrecipes.errors import printable

if TYPE_CHECKING:
    import keras

FILL_BATCH = 32


class PrefixCache:
    """The outputs of a frozen model for every view of every photo, in memory-mapped files.

    One pass over the photos fills the outputs at all cuts. The files have no names while
    they are in use, so that they are gone with the process, however that ends, and two
    runs cannot meet. `stored` has the outputs at each cut, shapes `(views, photos, …)`; a file
    is gone with the last reference to its array, too.

    Args:
        frozen: The frozen part of the model, photos to a list with one output per cut.
        reader: The photos.
        views: Views per photo.
        dtype: How outputs are stored; training sees float32 either way.

    Raises:
        OSError: If a file cannot be created.
    """

    def __init__(self, frozen: "keras.Model", reader: Reader, views: int, dtype: str = "float16"):
        self._frozen = frozen
        self._reader = reader
        shapes = [shape_of(output, reader) for output in frozen.outputs]
        count = len(reader.examples)
        self.stored = [_unnamed_array((views, count, *shape), dtype) for shape in shapes]

    def fill(self, what: str = "computing outputs") -> None:
        """Compute everything.

        Args:
            what: What a bar says is done.

        Raises:
            OverflowError: If an output is too large for the storage type.
            DataError: If a photo cannot be read.
        """
        views, count = self.stored[0].shape[:2]
        order = index_batches(count, FILL_BATCH, None, range(views), None, self._reader.sizes)
        run = frozen_engine(self._frozen, views * count)
        done = 0
        with bar(what) as show, self._reader.errors():
            for index, view, inputs in self._reader.batches(order).prefetch(2):
                outputs = run(inputs.numpy())
                for stored, output in zip(self.stored, outputs, strict=True):
                    with np.errstate(over="ignore"):
                        output = output.astype(stored.dtype)
                    if not np.isfinite(output).all():
                        raise OverflowError(
                            f"An output of the frozen blocks exceeds {stored.dtype}."
                        )
                    place = (view.numpy(), index.numpy())
                    if output.shape[1:] == stored.shape[2:]:
                        stored[place] = output
                    else:  # shorter than the longest, behind which there are zeros
                        stored[(*place, slice(output.shape[1]))] = output
                done += len(index)
                show(done, views * count)


def shape_of(output: "keras.KerasTensor", reader: Reader) -> tuple[int, ...]:
    """Return the shape in which the output of one example is kept.

    Args:
        output: The output; a free side is as long as the largest example.
        reader: Reads the examples.
    """
    sizes = reader.sizes
    longest = 1 if sizes is None or not len(sizes) else int(sizes.max())
    return tuple(longest if side is None else side for side in output.shape[1:])


def _longest(outputs: np.ndarray) -> int:
    """Return how many steps the longest of some examples has, without the zeros behind them."""
    steps = np.flatnonzero(outputs.any(axis=(0, *range(2, outputs.ndim))))
    return int(steps[-1]) + 1 if len(steps) else 1


def feed_of(outputs: np.ndarray, free: bool = False) -> Callable:
    """Return what turns a dataset of `(index, view)` into one of `(index, view, outputs)`.

    It does not keep the outputs, which somebody must while it is used: tensorflow keeps each
    Python function that a dataset has ever called, and with it would keep the file.

    Args:
        outputs: The outputs at one cut, shape `(views, photos, …)`. Training sees float32.
        free: Whether they are as long as their examples, with zeros behind them: of these a batch
            has only what its longest needs.
    """
    import tensorflow as tf

    kept: Any = weakref.ref(outputs)
    shape = (None, *outputs.shape[3:]) if free else outputs.shape[2:]

    def gather(view: Any, index: Any) -> Any:
        found = kept()[view, index].astype(np.float32)
        return found[:, : _longest(found)] if free else found

    def load(index: Any, view: Any) -> Any:
        found = tf.numpy_function(gather, [view, index], tf.float32)
        return index, view, tf.ensure_shape(found, (None, *shape))

    return lambda order: order.map(load, num_parallel_calls=2, deterministic=True)


def cache_bytes(shape: tuple[int, ...], views: int, itemsize: int = 2) -> int:
    """Return how much disk `views` outputs of one shape take."""
    return views * math.prod(shape) * itemsize


def free_bytes() -> int:
    """Return how much disk is left where caches are kept."""
    return shutil.disk_usage(_folder()).free


def _folder() -> Path:
    """Prefer the user's cache folder: the system's temporary one often lies in memory."""
    folder = cache_folder()
    if folder is None:
        return Path(tempfile.gettempdir())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        return _temporary_instead(folder, error.strerror or str(error))


@cache
def _temporary_instead(folder: Path, reason: str) -> Path:
    """Say once what is used in place of the user's cache folder."""
    instead = Path(tempfile.gettempdir())
    say(
        f"  '{printable(folder)}' cannot be written ({reason}): outputs of frozen blocks are kept "
        f"in '{printable(instead)}'. Set {ENVIRONMENT_VARIABLE} to a writable folder."
    )
    return instead


def _unnamed_array(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    folder = _folder()
    with tempfile.TemporaryFile(dir=folder) as file:
        try:
            # Taken at once: a mapped file that outgrows the disk later kills the process.
            os.posix_fallocate(file.fileno(), 0, math.prod(shape) * np.dtype(dtype).itemsize)
        except OSError as error:
            raise OSError(
                error.errno,
                f"{error.strerror} in '{printable(folder)}'; free some there, or let "
                f"{ENVIRONMENT_VARIABLE} name another folder",
            ) from error
        return np.memmap(file, dtype=dtype, mode="w+", shape=shape)
