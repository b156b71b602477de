"""Reading PyTorch's legacy checkpoint files without PyTorch and without running them.

Before version 1.6 `torch.save` wrote five pickles (a magic number, a protocol number,
facts about the system, the state dict, the storage keys) followed by the raw storages.
A pickle can run any code, so only the three kinds of name that a state dict needs are
let through, and every tensor is checked to lie inside its own storage.
"""

import os
import pickle
import pickletools
import struct
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from kerasrecipes.errors import DataError, listed
from kerasrecipes.file_budget import SMALL, allowed_bytes
from kerasrecipes.regular import open_regular

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001
STORAGE_DTYPES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}


@dataclass(frozen=True)
class _Storage:
    """A block of numbers that the file announces before its bytes come."""

    key: str
    dtype: np.dtype
    count: int


class _Tensor(NamedTuple):
    """A view into a storage; offset, shape and strides count elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _rebuild_tensor(
    storage: Any, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_ignored: Any
) -> _Tensor:
    whole = (offset, *shape, *strides) if isinstance(storage, _Storage) else (None,)
    if not all(type(number) is int and number >= 0 for number in whole):
        raise DataError("it describes a tensor by something other than whole numbers")
    if len(shape) != len(strides) or len(shape) > 8:
        raise DataError(f"a tensor has {len(shape)} dimensions and {len(strides)} strides")
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


class _StateDictUnpickler(pickle.Unpickler):
    """Builds dictionaries, numbers, strings and tensor descriptions; nothing else."""

    def find_class(self, module: str, name: str) -> object:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if module == "torch" and name in STORAGE_DTYPES:
            return name
        raise DataError(f"it asks for {module}.{name}, which a state dict never needs")

    def persistent_load(self, reference: object) -> _Storage:
        match reference:
            case ("storage", str(kind), str(key), str(), int(count), None) if count >= 0:
                return _Storage(key, np.dtype(STORAGE_DTYPES[kind]), count)
        raise DataError("it has a storage of an unknown kind")


def read_torch_checkpoint(path: str | Path) -> dict[str, np.ndarray]:
    """Read a state dict in PyTorch's legacy format as numpy arrays.

    Strides are honoured (checkpoints hold permuted tensors), so what returns equals
    what PyTorch would load. Nothing in the file is executed.

    Args:
        path: The `.pth` or `.pt` file.

    Returns:
        Name to array, in the file's order; every array owns its memory.

    Raises:
        DataError: If the file is missing, cut off, of another format, or asks for
            anything that a state dict does not need.

    Reference:
        `torch.serialization._legacy_save` in PyTorch.
    """
    path = Path(path)
    try:
        with open_regular(path) as stream:
            return _read(stream, os.fstat(stream.fileno()).st_size)
    except OSError as error:
        raise DataError(f"Cannot read the checkpoint '{path}': {error.strerror}.") from error
    except DataError as error:
        reason = str(error)
    except RecursionError:
        reason = "it is nested too deeply"
    except Exception as error:  # a hostile pickle can raise anything at all
        reason = f"it is damaged or cut off ({type(error).__name__})"
    raise DataError(
        f"'{path}' is not a usable PyTorch checkpoint: {reason}. "
        "Only state dicts in the format before PyTorch 1.6 can be read; install the package "
        "that carries the file again, or save it with "
        "torch.save(state_dict, path, _use_new_zipfile_serialization=False)."
    )


def _unpickled(stream: BinaryIO) -> Any:
    """Read the next pickle, after a look at its memo: a place in it takes memory up to there."""
    begin, places = stream.tell(), 0
    for code, argument, _ in pickletools.genops(stream):
        places += "PUT" in code.name or code.name == "MEMOIZE"
        place = int(argument or 0) if code.name in {"PUT", "LONG_BINPUT"} else 0
        if not 0 <= place < 2 * places + SMALL:
            raise DataError("it asks for more memory than it has content")
    stream.seek(begin)
    return _StateDictUnpickler(stream).load()


def _read(stream: BinaryIO, size_bytes: int) -> dict[str, np.ndarray]:
    if stream.read(4) == b"PK\x03\x04":
        raise DataError("it is a zip archive, the format since PyTorch 1.6")
    stream.seek(0)
    if _unpickled(stream) != MAGIC_NUMBER:
        raise DataError("its magic number is wrong")
    if _unpickled(stream) != PROTOCOL_VERSION:
        raise DataError("its protocol version is unknown")
    if _unpickled(stream).get("little_endian") is not True:
        raise DataError("it was written on a big-endian machine")
    tensors = _unpickled(stream)
    if not isinstance(tensors, dict) or not all(
        isinstance(tensor, _Tensor) and isinstance(name, str) for name, tensor in tensors.items()
    ):
        raise DataError("it does not hold a plain dictionary of tensors")
    keys = _unpickled(stream)
    storages = _read_storages(stream, keys, tensors, size_bytes)
    arrays, total = {}, 0
    for name, tensor in tensors.items():
        arrays[name] = _view(name, tensor, storages)
        total += arrays[name].nbytes
        if total > allowed_bytes(size_bytes):  # many may be views of one storage
            raise DataError(f"its tensors are more than {total:,} bytes, out of {size_bytes:,}")
    return arrays


def _read_storages(
    stream: BinaryIO, keys: list[str], tensors: dict[str, _Tensor], size_bytes: int
) -> dict[str, np.ndarray]:
    announced = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    if not isinstance(keys, list) or set(keys) != set(announced) or len(keys) != len(announced):
        raise DataError("its list of storages does not agree with its tensors")
    storages = {}
    for key in keys:
        storage = announced[key]
        (count,) = struct.unpack("<q", stream.read(8))
        length = storage.count * storage.dtype.itemsize
        if count != storage.count or length > size_bytes - stream.tell():
            raise DataError("a storage is longer or shorter than announced")
        storages[key] = np.frombuffer(stream.read(length), storage.dtype)
    return storages


def _view(name: str, tensor: _Tensor, storages: dict[str, np.ndarray]) -> np.ndarray:
    values = storages[tensor.storage.key]
    steps = zip(tensor.shape, tensor.strides, strict=True)
    last = tensor.offset + sum((length - 1) * stride for length, stride in steps)
    empty = 0 in tensor.shape
    # Strides of zero could blow a small file up to any size, so a view may not outgrow it.
    if values.dtype != tensor.storage.dtype or (
        not empty and (last >= values.size or np.prod(tensor.shape, dtype=object) > values.size)
    ):
        raise DataError(f"the tensor {listed([name])} lies outside of its storage")
    if empty:
        return np.zeros(tensor.shape, values.dtype)
    strides = [stride * values.itemsize for stride in tensor.strides]
    view = np.lib.stride_tricks.as_strided(
        values[tensor.offset :], tensor.shape, strides, writeable=False
    )
    return np.array(view, order="C")
