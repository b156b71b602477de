"""Local weights files: read them, check them against the model, and only then load.

An `.npz` names each array `<layer>/<index>`. Of `.keras` archives only the weights are
used: the model inside is never built, so what its configuration says cannot run.
"""

import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.console import warn
from kerasrecipes.errors import DataError, listed, printable
from kerasrecipes.file_budget import check_archive, check_hdf5, read_arrays
from kerasrecipes.files import complete_file, told_plainly

if TYPE_CHECKING:
    import h5py
    import keras

    from kerasrecipes.backbones.spec import Backbone

_BOLD = re.compile(r"\x1b\[\d+m")  # how Keras marks the words of others
Shapes = dict[str, list[tuple[int, ...]]]


def loader_of(spec: "Backbone", path: Path) -> Callable[["keras.Model"], None]:
    """Choose how to load a local file, judged by its suffix, before anything is built.

    Args:
        spec: The backbone that the weights are for.
        path: The file.

    Returns:
        A function that loads the file into a model of that backbone.

    Raises:
        ValueError: If the suffix is none of those that are understood.
        DataError: If there is no such file.
    """
    suffixes: dict[str, Callable[[Any, Path], None]] = {
        ".keras": _load_hdf5,
        ".weights.h5": _load_hdf5,
        ".npz": _load_npz,
    }
    if spec.load_imagenet is not None:
        suffixes[".h5"] = partial(_load_legacy, spec.load_imagenet)
    suffix = next((suffix for suffix in suffixes if path.name.endswith(suffix)), None)
    if suffix is None:
        raise ValueError(
            f"`weights={str(path)!r}` is not a kind of weights file that {spec.name!r} can read: "
            f"its name must end in {' or '.join(suffixes)}; or name the folder of a saved model."
        )
    if not path.is_file():
        raise DataError(f"`weights`: there is no file '{path}'.")
    return lambda model: suffixes[suffix](model, path)


def has_layer(path: Path, model: "keras.Model", name: str) -> bool:
    """Tell whether a file has weights for a layer of a model, of the same shapes.

    Args:
        path: The file; what is damaged has none.
        model: The model.
        name: The layer.
    """
    wanted = [tuple(weight.shape) for weight in model.get_layer(name).weights]
    try:
        if path.suffix != ".npz":
            return _hdf5_shapes(path, _budget(model)).get(name) == wanted
        arrays = read_arrays(path, _budget(model))
        return [arrays[key].shape for key in arrays if key.startswith(f"{name}/")] == wanted
    except (OSError, ValueError, KeyError, RuntimeError, zlib.error, zipfile.BadZipFile):
        return False


@named
def save_npz(model: "keras.Model", path: str | Path) -> None:
    """Write a model's weights as an `.npz` that `weights=<path>` reads.

    Args:
        model: A backbone, or a model grown from one by a head, which is left out
            if `weights=` is to accept the file.
        path: The file to write; its name should end in `.npz`.
    """
    arrays: dict[str, Any] = {
        f"{layer.name}/{index}": np.asarray(value)
        for layer in model.layers
        for index, value in enumerate(layer.get_weights())
    }
    # The suffix that numpy would add.
    path = Path(path) if str(path).endswith(".npz") else Path(f"{path}.npz")
    with told_plainly(path), complete_file(path) as file:
        np.savez(file, **arrays)


def assign_arrays(model: "keras.Model", arrays: dict[str, np.ndarray], origin: str) -> None:
    """Set all weights of a model from named arrays, or none.

    Args:
        model: The model to fill.
        arrays: `<layer>/<index of the weight in the layer>` to values.
        origin: Where the arrays come from, for the message.

    Raises:
        DataError: If names or shapes differ from the model's.
    """
    shapes: Shapes = {}
    for name in sorted(arrays, key=_layer_and_index):
        shapes.setdefault(_layer_and_index(name)[0], []).append(tuple(arrays[name].shape))
    _check_shapes(model, shapes, origin)
    for layer in model.layers:
        if layer.weights:
            count = len(layer.weights)
            layer.set_weights([arrays[f"{layer.name}/{index}"] for index in range(count)])


def reason_of(error: Exception) -> str:
    """Shorten another package's error to one sentence without its full stop.

    Example:
        >>> reason_of(OSError("Connection refused. (Caused by 12 lines of objects)"))
        'Connection refused'
    """
    plain = _BOLD.sub("", str(error)).removeprefix("Exception encountered when calling ")
    lines = [line for line in plain.splitlines() if line.strip()] or [type(error).__name__]
    # Keras names the layer first, and says below what was wrong.
    text = " ".join(lines[: 2 if lines[0].endswith("call().") else 1])
    return printable(text.partition(" (Caused by")[0][:200]).rstrip(" .:")


def _layer_and_index(name: str) -> tuple[str, int]:
    layer, _, index = name.rpartition("/")
    return layer, int(index) if index.isdecimal() else -1


def _check_shapes(model: "keras.Model", found: Shapes, origin: str) -> None:
    wanted = {
        layer.name: [tuple(weight.shape) for weight in layer.weights]
        for layer in model.layers
        if layer.weights
    }
    problems = [f"{name} is missing" for name in wanted if name not in found]
    problems += [f"{name} is unknown" for name in found if name not in wanted]
    problems += [
        f"{name} has {found[name]} instead of {shapes}"
        for name, shapes in wanted.items()
        if name in found and found[name] != shapes
    ]
    if problems:
        raise DataError(
            f"The weights in {origin} do not fit the backbone {model.name!r}: "
            f"{listed(problems, 3)}. Use weights that were saved from this backbone."
        )


def _load_npz(model: "keras.Model", path: Path) -> None:
    try:
        arrays = read_arrays(path, _budget(model))
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error
    assign_arrays(model, arrays, origin=f"'{path}'")


def _load_hdf5(model: "keras.Model", path: Path) -> None:
    try:
        shapes = _hdf5_shapes(path, _budget(model))
    except (OSError, ValueError, KeyError, RuntimeError, zlib.error, zipfile.BadZipFile) as error:
        raise _damaged(path, error) from error
    needed = {layer.name for layer in model.layers if layer.weights}
    if needed < shapes.keys():
        _load_part(model, path, needed, sorted(shapes.keys() - needed))
        return
    if shapes:
        _check_shapes(model, shapes, origin=f"'{path}'")
    try:
        model.load_weights(path)
    except Exception as error:  # Keras, h5py and zipfile have no error in common
        raise _damaged(path, error) from error


def _load_part(model: "keras.Model", path: Path, needed: set[str], others: list[str]) -> None:
    """Load a backbone out of a whole model, such as a saved model's `model.keras`."""
    with _opened_hdf5(path, _budget(model)) as file:
        layers = _saved_layers(file)
        saved = [layers[key].get("vars", {}) for key in layers]
        arrays = {
            f"{name}/{index}": np.asarray(values)
            for variables in saved
            if (name := str(getattr(variables, "attrs", {}).get("name"))) in needed
            for index, values in variables.items()
        }
    assign_arrays(model, arrays, origin=f"'{path}'")
    warn(
        f"'{printable(path)}' is a whole model: its backbone's weights are used, those of "
        f"{listed(others)} are not. Photos that it learned from prove nothing of what is trained "
        "on from here."
    )


def _load_legacy(
    load: Callable[["keras.Model", Path | None], None], model: "keras.Model", path: Path
) -> None:
    """Load a file in Keras 2's format by what knows its layers, after a look at its size."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            check_hdf5(file, _budget(model), legacy=True)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise _damaged(path, error) from error
    load(model, path)


def _budget(model: "keras.Model") -> int:
    return 8 * model.count_params() + 2**24  # float64, and room for what else is stored


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(
        f"The weights file '{path}' cannot be used: {reason_of(error)}. Use a file that "
        "`model.save_weights`, `model.save` or `save_npz` wrote for this backbone."
    )


def _hdf5_shapes(path: Path, budget: int) -> Shapes:
    """Read names and shapes, no values, from a `.weights.h5` or the one in a `.keras`."""
    with _opened_hdf5(path, budget) as file:
        layers = _saved_layers(file)
        return dict(filter(None, (_layer_shapes(layers[key]) for key in layers)))


def _saved_layers(file: "h5py.File") -> Any:
    """Return the layers of a model, or of the one model inside, as of one that cuts tiles."""
    layers = file.get("layers", {})
    groups = [layers[key] for key in layers]
    inner = [group["layers"] for group in groups if "layers" in group]
    alone = len(inner) == 1 and not any(len(group.get("vars", {})) for group in groups)
    return inner[0] if alone else layers


@contextmanager
def _opened_hdf5(path: Path, budget: int) -> "Iterator[h5py.File]":
    import h5py

    stream: BinaryIO
    if path.suffix == ".keras":
        with zipfile.ZipFile(path) as archive:
            check_archive(archive, path.stat().st_size, budget)
            stream = io.BytesIO(archive.read("model.weights.h5"))
    else:
        stream = path.open("rb")
    with stream, h5py.File(stream, "r") as file:
        check_hdf5(file, budget)
        yield file


def _layer_shapes(group: "h5py.Group") -> tuple[str, list[tuple[int, ...]]] | None:
    """Describe one saved layer; composite layers are left for Keras to compare."""
    variables = group.get("vars", {})
    if not len(variables) or "name" not in variables.attrs:
        return None
    indices = sorted(variables, key=lambda key: int(key) if key.isdecimal() else -1)
    return str(variables.attrs["name"]), [tuple(variables[index].shape) for index in indices]
