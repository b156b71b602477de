"""What files of models and arrays may cost: checked on what they declare, before it is read.

Reasons are raised as `ValueError`; who knows the file's name puts it in front of them.
"""

import io
import math
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tokenize import TokenError
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from kerasrecipes.errors import listed, printable

if TYPE_CHECKING:
    import h5py

# What a file may hold beyond what is accounted for: names, states, small tables.
SMALL = 1_000_000
# How much larger than on the disk an honest file of weights is in memory: pruned ones compress.
BLOW_UP = 10
# Models and states have an entry or two for each layer or array; each takes its time.
MOST_ENTRIES = 20_000
_PIECE = 1 << 20
_HEADER = 30
_LIMITING = threading.Lock()


def allowed_bytes(on_disk: int) -> int:
    """Return how many bytes a file of weights may hold, by what it takes on the disk."""
    return BLOW_UP * on_disk + SMALL


def check_archive(archive: zipfile.ZipFile, on_disk: int, most_bytes: int) -> None:
    """Refuse an archive whose entries hold more than they may, or not what they declare.

    Args:
        archive: The archive, open.
        on_disk: Its size in bytes.
        most_bytes: How many bytes its entries may hold together.

    Raises:
        ValueError: If they are too many, hold more, hide in each other, or lie about their sizes.
        zipfile.BadZipFile: If it is damaged.
    """
    if (count := len(archive.infolist())) > MOST_ENTRIES:
        raise ValueError(f"it has {count:,} entries, the limit is {MOST_ENTRIES:,}")
    entries = sorted(archive.infolist(), key=lambda entry: entry.header_offset)
    check_bytes(sum(entry.file_size for entry in entries), most_bytes)
    if len({entry.filename for entry in entries}) < len(entries):
        raise ValueError("two of its entries have one name")
    ends = [entry.header_offset + _HEADER + entry.compress_size for entry in entries]
    begins = [entry.header_offset for entry in entries] + [on_disk]
    if any(end > begin for end, begin in zip(ends, begins[1:], strict=True)):
        raise ValueError("its entries overlap")
    for entry in entries:
        _check_entry(archive, entry)


def check_bytes(declared: int, most_bytes: int) -> None:
    """Refuse what declares more than it may.

    Raises:
        ValueError: With both numbers.
    """
    if declared > most_bytes:
        raise ValueError(
            f"it unpacks to {declared:,} bytes, and at most {most_bytes:,} can be meant; it is "
            "made to fill the memory, do not trust it"
        )


def _check_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    """Refuse an entry that unpacks to something else than it declares: what reads it at once
    would take the memory for all of it."""
    if entry.compress_type == zipfile.ZIP_STORED:
        length = entry.compress_size
    elif entry.compress_type == zipfile.ZIP_DEFLATED and archive.fp is not None:
        archive.fp.seek(entry.header_offset)
        header = archive.fp.read(_HEADER)
        names = sum(int.from_bytes(header[at : at + 2], "little") for at in (26, 28))
        archive.fp.seek(names, 1)
        length = _unpacked(archive.fp, entry.compress_size, entry.file_size)
    else:
        raise ValueError(f"its entry {listed([entry.filename])} is compressed in a rare way")
    if length != entry.file_size:
        raise ValueError(f"its entry {listed([entry.filename])} is not of the size it declares")


def _unpacked(stream: Any, packed: int, most: int) -> int:
    """Count the bytes that a deflated stream gives, up to one more than `most`."""
    inflate, length = zlib.decompressobj(-zlib.MAX_WBITS), 0
    while packed > 0 and length <= most and not inflate.eof:
        piece = stream.read(min(packed, _PIECE))
        packed -= len(piece) or packed
        while piece and length <= most:
            length += len(inflate.decompress(piece, _PIECE))
            piece = inflate.unconsumed_tail
    return length


def read_arrays(path: str | Path | BinaryIO, most_bytes: int) -> dict[str, np.ndarray]:
    """Read all arrays of an `.npz` file, none of which may hold objects.

    Args:
        path: The file, or its content as a stream.
        most_bytes: How many bytes the arrays can be together.

    Returns:
        The arrays by name.

    Raises:
        ValueError: If they are more, or the file is damaged or no `.npz` file.
        OSError: If it cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            size = archive.fp.seek(0, 2) if archive.fp else 0
            check_archive(archive, size, most_bytes + SMALL)
            arrays = {}
            for entry in archive.infolist():
                with archive.open(entry) as stream:
                    _check_array(stream, entry.file_size)
                with archive.open(entry) as stream:
                    arrays[entry.filename.removesuffix(".npy")] = np.lib.format.read_array(stream)
            return arrays
    except (EOFError, KeyError, NotImplementedError, RuntimeError, SyntaxError, TypeError,
            MemoryError, OverflowError, TokenError, zlib.error, zipfile.BadZipFile,
    ) as error:  # fmt: skip
        raise ValueError(str(error) or type(error).__name__) from error


def read_array(content: bytes) -> np.ndarray:
    """Read the array of an `.npy` file, which may hold no objects.

    Args:
        content: The whole file.

    Raises:
        ValueError: If it declares more or less than follows, holds objects, or is no `.npy` file.
    """
    try:
        _check_array(io.BytesIO(content), len(content))
        return np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    except (EOFError, SyntaxError, TypeError, MemoryError, OverflowError, RecursionError,
            TokenError, UnicodeDecodeError) as error:  # fmt: skip
        raise ValueError(str(error) or type(error).__name__) from error


def _check_array(stream: Any, size: int) -> None:
    """Refuse an `.npy` file whose header declares anything but what follows it."""
    header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    version = np.lib.format.read_magic(stream)
    if version not in header:
        raise ValueError(f"it holds an array in the format {version}, which is not known")
    try:
        shape, _, dtype = header[version](stream)
    except (ValueError, SyntaxError, TypeError, RecursionError, TokenError) as error:
        # What Python's parser says of it names parts of the parser.
        raise ValueError("its header, which says what it holds, is damaged") from error
    length = math.prod(shape) * dtype.itemsize
    if dtype.hasobject or min(shape, default=0) < 0 or length != size - stream.tell():
        raise ValueError(f"it declares an array of {dtype} and shape {shape} in {size:,} bytes")


def check_hdf5(file: "h5py.File", most_bytes: int, *, legacy: bool = False) -> int:
    """Refuse an HDF5 file that declares more than it may, or that points outside of itself.

    Args:
        file: The file, open; no values are read.
        most_bytes: How many bytes its datasets and attributes may be together.
        legacy: Whether it is in Keras 2's format, which lists names in attributes.

    Returns:
        How many groups it has: a file of weights has two for each layer.

    Raises:
        ValueError: If it declares more, has links, external or virtual datasets, or values of
            any kind but numbers; also if it is damaged.
    """
    import h5py

    found: list[tuple[str, bool]] = []
    try:
        file.id.links.visit(
            lambda name, link: found.append((name, link.type == h5py.h5l.TYPE_HARD)), info=True
        )
        linked = [name for name, hard in found if not hard]
        if linked:
            raise ValueError(f"its {_name(linked[0])} is a link to another place")
        groups, total = 0, 0
        for name in [b".", *(name for name, _ in found)]:
            item = h5py.h5o.open(file.id, name)
            groups += isinstance(item, h5py.h5g.GroupID)
            total += sum(_attribute_bytes(item, name, legacy))
            if isinstance(item, h5py.h5d.DatasetID):
                total += _dataset_bytes(item, name, most_bytes)
            check_bytes(total, most_bytes)
    except ValueError:
        raise
    except Exception as error:  # h5py raises built-in types of every kind for a damaged file
        raise ValueError(f"its HDF5 is damaged ({printable(error)[:200]})") from error
    return groups


def _name(name: Any) -> str:
    return listed([name.decode(errors="replace") if isinstance(name, bytes) else name])


def _attribute_bytes(item: Any, name: Any, legacy: bool) -> Iterator[int]:
    import h5py

    for index in range(h5py.h5a.get_num_attrs(item)):
        attribute = h5py.h5a.open(item, index=index)
        kind = attribute.get_type()
        count = math.prod(attribute.shape or ())
        # A text of free length takes what it is long; many can be one and the same.
        free = kind.detect_class(h5py.h5t.VLEN) or (_free_text(kind) and not legacy)
        if count > 1 and free:
            raise ValueError(f"its {_name(name)} has an attribute of free length")
        yield count * kind.get_size()


def _free_text(kind: Any) -> bool:
    import h5py

    return isinstance(kind, h5py.h5t.TypeStringID) and kind.is_variable_str()


def _dataset_bytes(dataset: Any, name: Any, most_bytes: int) -> int:
    """Return what reading a dataset takes, after a look at where its values are to come from."""
    import h5py

    kind, plan, h5t = dataset.get_type(), dataset.get_create_plist(), h5py.h5t
    if plan.get_external_count() or plan.get_layout() == h5py.h5d.VIRTUAL:
        raise ValueError(f"its dataset {_name(name)} takes its values from other files")
    if any(kind.detect_class(odd) for odd in (h5t.VLEN, h5t.REFERENCE, h5t.STRING)):
        raise ValueError(f"its dataset {_name(name)} holds something other than numbers")
    size = kind.get_size()
    declared = math.prod(dataset.shape or ()) * size
    if plan.get_layout() == h5py.h5d.CHUNKED:
        chunk = math.prod(plan.get_chunk()) * size
        declared = max(declared, chunk)
        check_bytes(declared, most_bytes)
        if plan.get_nfilters():
            _check_chunks(dataset, plan, name, chunk)
    return declared


def _check_chunks(dataset: Any, plan: Any, name: Any, chunk: int) -> None:
    """Refuse chunks that unpack to more than a chunk: the memory for it would be taken first."""
    import h5py

    h5z = h5py.h5z
    filters = [plan.get_filter(index)[0] for index in range(plan.get_nfilters())]
    if not {*filters} <= {h5z.FILTER_DEFLATE, h5z.FILTER_SHUFFLE, h5z.FILTER_FLETCHER32}:
        raise ValueError(f"its dataset {_name(name)} is compressed in a rare way")
    if filters.count(h5z.FILTER_DEFLATE) > 1:
        raise ValueError(f"its dataset {_name(name)} is compressed more than once")
    if h5z.FILTER_DEFLATE not in filters:
        return
    for index in range(dataset.get_num_chunks()):
        _, packed = dataset.read_direct_chunk(dataset.get_chunk_info(index).chunk_offset)
        inflate = zlib.decompressobj()
        try:
            length = len(inflate.decompress(packed, chunk + 8))
        except zlib.error:
            length = 0  # a chunk that was kept as it is: HDF5 itself says if it is damaged
        if length > chunk + 4:  # and its checksum
            raise ValueError(f"its dataset {_name(name)} has chunks that unpack to more than one")


@contextmanager
def limited_weights(budget: int, refusal: Callable[[int], Exception]) -> Iterator[None]:
    """Let layers add weights up to a budget while the block runs, and refuse what passes it.

    Args:
        budget: How many numbers they may have together.
        refusal: Makes the error from the count that was reached.
    """
    import keras

    added, loading = 0, threading.get_ident()

    def add_weight(layer: Any, shape: Any = None, *args: Any, **kwargs: Any) -> Any:
        nonlocal added
        if threading.get_ident() != loading:
            return original(layer, shape, *args, **kwargs)
        wanted = (shape,) if isinstance(shape, int) else shape or ()
        added += math.prod(size or 1 for size in wanted)
        if added > budget:
            raise refusal(added)
        return original(layer, shape, *args, **kwargs)

    # One at a time, or one would take the other's limit for Keras's own method.
    with _LIMITING:
        original = keras.layers.Layer.add_weight
        keras.layers.Layer.add_weight = add_weight
        try:
            yield
        finally:
            keras.layers.Layer.add_weight = original
