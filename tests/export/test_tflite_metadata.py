"""Labels and descriptions inside TFLite files."""

import contextlib
import zipfile

import numpy as np
import pytest

from kerasrecipes.errors import DataError, IntegrityError
from kerasrecipes.export.tflite import tflite
from kerasrecipes.export.tflite.metadata import (
    add_metadata,
    check_class_names,
    read_metadata,
)

AWKWARD = [
    "two\nlines",
    "cr\r\nlf",
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "-dash",
    "emoji 👩\u200d🔧",
    "right\u202eleft",
    " spaces ",
    "back\\nslash",
    "\udc80 undecodable",
    "line\u2028separator",
    "e\u0301",
    "é",
]


@pytest.fixture(scope="module")
def plain(tiny):
    """The bytes of a converted model without metadata."""
    from kerasrecipes.export.tflite.convert import convert

    return convert(tiny.untrained_model(), tiny.SIZE, "float32", None)


def test_everything_comes_back(plain, tmp_path):
    path = tmp_path / "m.tflite"
    policy = {"max_16bit": 4095, "background": [0, 0, 0]}
    path.write_bytes(
        add_metadata(plain, class_names=["a", "b", "c"], description="Kacheln ✓", policy=policy)
    )
    found = read_metadata(path)
    assert found.class_names == ("a", "b", "c")
    assert found.description == "Kacheln ✓"
    assert found.mean == (0.0,) and found.std == (1.0,)
    assert found.policy == policy


def test_awkward_labels_come_back_and_stay_on_their_line(plain, tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(add_metadata(plain, class_names=AWKWARD))
    assert read_metadata(path).class_names == tuple(AWKWARD)
    with zipfile.ZipFile(path) as files:
        lines = files.read("labels.txt").decode().split("\n")
    assert len(lines) == len(AWKWARD) + 1 and lines[-1] == ""
    assert lines[0] == "two\\nlines" and lines[5] == AWKWARD[5]


def test_file_with_metadata_answers_the_same(plain, tmp_path, tiny):
    photos = tiny.colour_photos(6, seed=1)[0]
    (tmp_path / "plain.tflite").write_bytes(plain)
    (tmp_path / "full.tflite").write_bytes(add_metadata(plain, class_names=["a", "b", "c"]))
    answers = [tflite.load(tmp_path / n)(photos) for n in ("plain.tflite", "full.tflite")]
    assert np.array_equal(*answers)


def test_adding_twice_replaces(plain, tmp_path):
    once = add_metadata(plain, class_names=["a", "b", "c"], description="one")
    path = tmp_path / "m.tflite"
    path.write_bytes(add_metadata(once, class_names=["x", "y", "z"], description="two"))
    assert read_metadata(path).description == "two"
    assert read_metadata(path).class_names == ("x", "y", "z")


@pytest.mark.parametrize("names", [["a", ""], [" ", "b"]])
def test_empty_names_are_refused(names):
    with pytest.raises(DataError, match=r"Class \d has an empty name"):
        check_class_names(names)


@pytest.mark.parametrize("names", [["a", "a"], ["a\nb", "a\\nb"]])
def test_names_that_look_the_same_are_refused(names):
    with pytest.raises(DataError, match=r"Several classes are called .* Rename"):
        check_class_names(names)


def test_file_without_labels_is_refused(plain, tmp_path):
    path = tmp_path / "plain.tflite"
    path.write_bytes(plain)
    with pytest.raises(DataError, match="carries no readable labels"):
        read_metadata(path)


def test_file_with_an_empty_list_of_labels_is_refused(plain, tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(add_metadata(plain, class_names=[]))
    with pytest.raises(DataError, match="carries an empty list of labels"):
        read_metadata(path)


def test_something_else_is_refused(tmp_path):
    path = tmp_path / "photo.tflite"
    path.write_bytes(b"\xff\xd8\xff" + bytes(1000))
    with pytest.raises(DataError, match="is not a TFLite file"):
        read_metadata(path)


def test_huge_list_of_labels_is_refused(plain, tmp_path):
    path = tmp_path / "bomb.tflite"
    path.write_bytes(add_metadata(plain, class_names=["a"]))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as files:
        files.writestr("labels.txt", b"a\n" * 10_000_000)
    path.write_bytes(add_metadata(plain, class_names=["a"])[:-600] + path.read_bytes())
    with pytest.raises(DataError, match="carries no readable labels"):
        read_metadata(path)


def test_damage_is_noticed_before_the_model_runs(plain, tmp_path):
    path = tmp_path / "m.tflite"
    content = add_metadata(plain, class_names=["a", "b", "c"])
    rng = np.random.default_rng(0)
    for place in rng.integers(8, len(content), 300):
        changed = bytearray(content)
        changed[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        if place < len(plain):
            with pytest.raises(IntegrityError, match=r"was damaged since it was written"):
                read_metadata(path)
        with contextlib.suppress(DataError, IntegrityError):
            assert read_metadata(path).class_names == ("a", "b", "c")
    for size in rng.integers(0, len(content), 50):
        path.write_bytes(content[:size])
        with pytest.raises((DataError, IntegrityError)):
            read_metadata(path)


def test_labels_of_the_wrong_type_are_refused(plain, tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(add_metadata(plain, class_names=["a"]).replace(b'["a"]', b"[101]"))
    with pytest.raises(DataError, match=r"carries no readable labels"):
        read_metadata(path)


def test_labels_of_another_tool_are_read(plain, tmp_path):
    from kerasrecipes.export.tflite import metadata as tflite_metadata
    from kerasrecipes.export.tflite.metadata_table import build_table

    path = tmp_path / "other.tflite"
    path.write_bytes(tflite_metadata._with_entry(plain, build_table("", "labels.txt", "x")))
    with zipfile.ZipFile(path, "a") as files:
        files.writestr("labelmap.txt", "cat\ndog\nfox\n")
    assert read_metadata(path).class_names == ("cat", "dog", "fox")
