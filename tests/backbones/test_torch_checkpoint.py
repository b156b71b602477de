import contextlib
import io
import pickle
import struct
from collections import OrderedDict

import numpy as np
import pytest

from kerasrecipes.backbones.torch_checkpoint import (
    MAGIC_NUMBER,
    PROTOCOL_VERSION,
    read_torch_checkpoint,
)
from kerasrecipes.errors import DataError

SYSTEM = {"protocol_version": PROTOCOL_VERSION, "little_endian": True, "type_sizes": {}}


class Global:
    """Pickled as a bare reference to `module.name`, whether or not that exists."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class Tensor:
    """Pickled the way PyTorch pickles a tensor: a call on a storage kept elsewhere."""

    def __init__(self, key, kind, count, offset, shape, strides):
        self.storage = ("storage", Global("torch", kind), key, "cpu", count, None)
        self.view = (offset, shape, strides, False, OrderedDict())


class Writer(pickle._Pickler):
    """A pickler in Python, since only that can write references to missing modules."""

    def save(self, obj, save_persistent_id=True):
        if isinstance(obj, Global):
            self.write(f"c{obj.module}\n{obj.name}\n".encode())
        elif isinstance(obj, Tensor):
            self.save(Global("torch._utils", "_rebuild_tensor_v2"))
            self.write(b"(")
            self.save(obj.storage)
            self.write(b"Q")  # the storage becomes a persistent reference
            for part in obj.view:
                self.save(part)
            self.write(b"tR")
        else:
            super().save(obj, save_persistent_id)


def pickled(value):
    stream = io.BytesIO()
    Writer(stream, 2).dump(value)
    return stream.getvalue()


def checkpoint(path, state, storages, *, magic=MAGIC_NUMBER, system=SYSTEM, protocol=1001):
    parts = [pickled(part) for part in (magic, protocol, system, state, list(storages))]
    for values in storages.values():
        parts.append(struct.pack("<q", values.size) + values.tobytes())
    path.write_bytes(b"".join(parts))
    return path


FLOATS = np.arange(24, dtype="<f4")


def one(path, *, kind="FloatStorage", count=24, offset=0, shape=(24,), strides=(1,), **options):
    tensor = Tensor("7", kind, count, offset, shape, strides)
    return checkpoint(path, OrderedDict(w=tensor), {"7": FLOATS}, **options)


def test_strides_offsets_and_types_are_honoured(tmp_path):
    ints = np.array([5, 6, 7], dtype="<i8")
    state = OrderedDict(
        plain=Tensor("0", "FloatStorage", 24, 0, (2, 3, 4), (12, 4, 1)),
        permuted=Tensor("0", "FloatStorage", 24, 0, (4, 2, 3), (1, 12, 4)),
        shifted=Tensor("0", "FloatStorage", 24, 20, (2,), (2,)),
        scalar=Tensor("1", "LongStorage", 3, 2, (), ()),
        empty=Tensor("1", "LongStorage", 3, 0, (0, 5), (5, 1)),
    )
    found = read_torch_checkpoint(checkpoint(tmp_path / "x.pth", state, {"0": FLOATS, "1": ints}))
    block = FLOATS.reshape(2, 3, 4)
    assert list(found) == list(state)
    np.testing.assert_array_equal(found["plain"], block)
    np.testing.assert_array_equal(found["permuted"], block.transpose(2, 0, 1))
    np.testing.assert_array_equal(found["shifted"], [20, 22])
    assert found["scalar"] == 7 and found["scalar"].dtype == np.int64
    assert found["empty"].shape == (0, 5)
    assert all(array.flags.owndata and array.flags.writeable for array in found.values())


@pytest.mark.parametrize(
    "module, name",
    [
        ("os", "system"),
        ("builtins", "eval"),
        ("torch", "load"),
        ("torch.storage", "_load_from_bytes"),
        ("collections", "OrderedDict.__init__"),
    ],
)
def test_other_names_are_refused(tmp_path, module, name):
    path = checkpoint(tmp_path / "x.pth", {"w": Global(module, name)}, {})
    with pytest.raises(DataError, match=f"it asks for {module}.{name}, which a state dict never"):
        read_torch_checkpoint(path)


def test_a_malicious_pickle_runs_nothing(tmp_path):
    marker = tmp_path / "marker"

    class Bomb:
        def __reduce__(self):
            return (open, (str(marker), "w"))

    for position in range(5):
        parts = [MAGIC_NUMBER, PROTOCOL_VERSION, SYSTEM, OrderedDict(), []]
        parts[position] = Bomb()
        path = tmp_path / f"{position}.pth"
        path.write_bytes(b"".join(pickle.dumps(part, protocol=2) for part in parts))
        with pytest.raises(DataError, match="is not a usable PyTorch checkpoint: it asks for"):
            read_torch_checkpoint(path)
    assert not marker.exists()


@pytest.mark.parametrize(
    "change",
    [
        {"count": 24, "shape": (25,)},
        {"offset": 1},
        {"offset": 24, "shape": (1,)},
        {"shape": (2, 12), "strides": (13, 1)},
        {"shape": (10**9, 24), "strides": (0, 1)},
        {"shape": (2**62, 2**62), "strides": (2**62, 2**62)},
    ],
)
def test_tensors_outside_of_their_storage_are_refused(tmp_path, change):
    with pytest.raises(DataError, match="the tensor 'w' lies outside of its storage"):
        read_torch_checkpoint(one(tmp_path / "x.pth", **change))


@pytest.mark.parametrize(
    "change, reason",
    [
        ({"offset": -1}, "by something other than whole numbers"),
        ({"shape": (2.0,)}, "by something other than whole numbers"),
        ({"shape": (24,), "strides": (1, 1)}, "1 dimensions and 2 strides"),
        ({"count": -1}, "storage of an unknown kind"),
        ({"count": 23, "shape": (1,)}, "a storage is longer or shorter than announced"),
        ({"count": 10**12, "shape": (1,)}, "a storage is longer or shorter than announced"),
        ({"kind": "QUInt8Storage"}, "it asks for torch.QUInt8Storage"),
        ({"magic": 1}, "its magic number is wrong"),
        ({"protocol": 1}, "its protocol version is unknown"),
        ({"system": {"little_endian": False}}, "it was written on a big-endian machine"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, change, reason):
    with pytest.raises(DataError, match=reason) as caught:
        read_torch_checkpoint(one(tmp_path / "x.pth", **change))
    assert "x.pth' is not a usable PyTorch checkpoint" in str(caught.value)
    assert "_use_new_zipfile_serialization=False" in str(caught.value)


def test_a_storage_must_be_announced(tmp_path):
    state = OrderedDict(w=Tensor("7", "FloatStorage", 24, 0, (24,), (1,)))
    with pytest.raises(DataError, match="list of storages does not agree with its tensors"):
        read_torch_checkpoint(checkpoint(tmp_path / "x.pth", state, {"8": FLOATS}))


@pytest.mark.parametrize("state", [[1, 2], {"w": "text"}, {3: 4}])
def test_other_contents_are_refused(tmp_path, state):
    with pytest.raises(DataError, match="does not hold a plain dictionary of tensors"):
        read_torch_checkpoint(checkpoint(tmp_path / "x.pth", state, {}))


def test_every_truncation_is_noticed(tmp_path):
    whole = one(tmp_path / "x.pth").read_bytes()
    cut = tmp_path / "cut.pth"
    for length in range(len(whole)):
        cut.write_bytes(whole[:length])
        with pytest.raises(DataError):
            read_torch_checkpoint(cut)


def test_damage_never_escapes_as_another_error(tmp_path):
    whole = bytearray(one(tmp_path / "x.pth").read_bytes())
    random = np.random.default_rng(0)
    damaged = tmp_path / "damaged.pth"
    for _ in range(300):
        changed = bytearray(whole)
        for position in random.integers(0, len(whole) - 96, 3):
            changed[position] = random.integers(256)
        damaged.write_bytes(changed)
        with contextlib.suppress(DataError):
            read_torch_checkpoint(damaged)


def test_a_zip_archive_is_named(tmp_path):
    (tmp_path / "new.pth").write_bytes(b"PK\x03\x04rest")
    with pytest.raises(DataError, match=r"it is a zip archive, the format since PyTorch 1.6"):
        read_torch_checkpoint(tmp_path / "new.pth")


def test_deep_nesting_is_refused(tmp_path):
    (tmp_path / "deep.pth").write_bytes(b"\x80\x02" + b"(" * 100_000 + b"t" * 100_000 + b".")
    with pytest.raises(DataError, match="is not a usable PyTorch checkpoint"):
        read_torch_checkpoint(tmp_path / "deep.pth")


def test_many_views_of_one_storage_are_refused(tmp_path):
    count = 100_000
    whole = Tensor("0", "FloatStorage", count, 0, (count,), (1,))
    state = OrderedDict((f"w{number}", whole) for number in range(20))
    path = checkpoint(tmp_path / "x.pth", state, {"0": np.zeros(count, "<f4")})
    with pytest.raises(DataError, match="its tensors are more than .* bytes, out of"):
        read_torch_checkpoint(path)


def test_a_far_place_in_the_memo_is_refused(tmp_path):
    # "Keep this in place two milliards" takes gigabytes for the places before it.
    (tmp_path / "memo.pth").write_bytes(b"\x80\x02Nr\xff\xff\xff\x7f.")
    with pytest.raises(DataError, match="it asks for more memory than it has content"):
        read_torch_checkpoint(tmp_path / "memo.pth")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"Cannot read the checkpoint '.*none.pth': No such file"):
        read_torch_checkpoint(tmp_path / "none.pth")
