"""One name written in several ways: one name, or told with its rows, wherever it comes from."""

import json
import unicodedata
from datetime import datetime

import numpy as np
import pytest
from hypothesis import given, strategies as st

from kerasrecipes.data.tables.spelling import alike, in_one_spelling, meaning, trimmed, written
from kerasrecipes.errors import DataError
from kerasrecipes.evaluation.scores import group_numbers
from kerasrecipes.photos.check import check_photos
from kerasrecipes.photos.scan import scan_photos
from kerasrecipes.photos.sources.arrays import photos_from_arrays
from kerasrecipes.photos.split import split_photos

# Kept as the same name; and read as the same by a person, so that it is told.
UNSEEN = [
    "é1 ",
    "\t é1",
    "e\u03011",
    "\u00a0é1\u3000",
    "\ufeffé1",
    "é1\u200b",
    "é1\r\n",
    "é1\u200e",
]
READ_ALIKE = [
    "É1", "é 1", "é-1", "é_01", "é\u200b1", "é\u00ad1", "é\uff11", "é\u20111", "é\ufe0f1",
]  # fmt: skip
ONE = ["1", "1.0", "01", "1e0", "+1", "1.", "10e-1", "1,0", "\uff11", "\u0661", "001.00"]


@pytest.mark.parametrize("spelling", UNSEEN)
def test_what_cannot_be_seen_is_not_kept(spelling):
    assert written(spelling) == trimmed(spelling) == "é1"


@pytest.mark.parametrize(
    "names", [READ_ALIKE, ONE, ["-1", "\u22121", "\uff0d1.0", "-01"], ["a b", "A_b", "ab"]]
)
def test_what_a_person_reads_as_the_same(names):
    assert len({meaning(name) for name in names}) == 1
    assert alike([*names, "other"]) == [tuple(sorted(names))]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1", "-1"), ("1", "10"), ("1-1", "11"), ("1 2", "12"), ("v1.05", "v1.5"), ("A", "A-"),
        ("0e1", "0e2"), ("10", "1"), ("\u200c", "\u200d"), ("-", "_"), ("1e9999999", "1e9999998"),
        ("\U0001f3f4\U000e0067\U000e007f", "\U0001f3f4\U000e0077\U000e007f"), ("1_000", "1000"),
        ("9" * 40, "9" * 39 + "8"),
    ],
)  # fmt: skip
def test_what_differs_stays_apart(one, other):
    assert meaning(one) != meaning(other)
    assert alike([one, other]) == []


@given(st.text(min_size=1))
def test_a_kept_name_stays_as_it_is_and_means_what_it_meant(name):
    kept = trimmed(name)
    assert trimmed(kept) == kept == unicodedata.normalize("NFC", kept)
    assert not kept or meaning(kept) == meaning(name) or meaning(name) == name
    assert hash(meaning(name)) == hash(meaning(name))


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (1, "1"), (1.0, "1"), (np.float32(2), "2"), (np.int8(3), "3"), (1.5, "1.5"), (True, "True"),
        (10**30, "1" + "0" * 30), (1e300, "1e+300"), (b"a ", "a"), (np.str_(" a"), "a"),
        (None, None), (float("nan"), None), (" ", None), ("NaN", None), ("\u200b", None),
    ],
)  # fmt: skip
def test_values_that_are_no_text(value, name):
    assert written(value) == name


def test_the_first_spelling_stands_for_all():
    assert in_one_spelling(["P01", None, "p1", "Q", None]) == ["P01", None, "P01", "Q", None]
    places = group_numbers(["P1", "p1 ", None, 2, 2.0, "2", float("nan"), ""], 8)
    assert places.tolist() == [0, 0, 1, 2, 2, 2, 3, 4]


SPELLINGS = ["p1", "p1 ", "P1", "p\u200b1", 1, 1.0, "01", "1e0"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, make):
    root = tmp_path_factory.mktemp("spelling")
    for i in range(16):
        make.photo(root / f"{i}.png", i, (24, 32))
    return root


def rows(column):
    """Sixteen rows of two classes in eight groups; the first eight are spellings of two names."""
    others = [f"g{i // 2}" for i in range(8)]
    plain = [{"path": f"{i}.png", "label": "ab"[i % 2], "group": f"u{i}"} for i in range(16)]
    return [{**row, column: x} for row, x in zip(plain, [*SPELLINGS, *others], strict=True)]


def as_csv(rows):
    return "path,label,group\n" + "".join(",".join(map(str, r.values())) + "\n" for r in rows)


def as_jsonl(rows):
    return "\n".join(json.dumps(row) for row in rows)


@pytest.mark.parametrize(("form", "first"), [("csv", 2), ("jsonl", 1)])
def test_groups_of_a_table_are_one_or_told_with_their_rows(folder, form, first, capsys):
    write = {"csv": as_csv, "jsonl": as_jsonl}[form]
    (folder / f"g.{form}").write_text(write(rows("group")), encoding="utf-8")
    photos = scan_photos(folder / f"g.{form}")
    (told,) = [f for f in check_photos(photos).findings if f.code == "same-groups"]
    assert (told.count, told.severity) == (2, "warning")
    r = range(first, first + 16)
    number = {
        "csv": f"'1' (row {r[4]}) = '1.0' (row {r[5]})",
        "jsonl": f"'1' (rows {r[4]}, {r[5]})",
    }
    assert told.examples == (
        f"'01' (row {r[6]}) = {number[form]} = '1e0' (row {r[7]})",
        f"'P1' (row {r[2]}) = 'p1' (rows {r[0]}, {r[1]}) = 'p\\u200b1' (row {r[3]})",
    )
    assert "2 groups are written in several ways" in capsys.readouterr().err
    sides = split_photos(photos, test_fraction=0.25, val_fraction=0.25)
    of_one = [{p.path.stem for p in side.photos} for side in sides]
    for name in ("0123", "4567"):
        assert [set(name) <= side for side in of_one].count(True) == 1
    assert check_photos(*sides).leaks == ()
    (leak,) = check_photos(photos.select([0, 4, 8]), photos.select([2, 7])).leaks
    assert leak.code == "groups-across-splits" and leak.count == 2


@pytest.mark.parametrize(("form", "first"), [("csv", 2), ("jsonl", 1)])
def test_labels_of_a_table_are_one_or_told_with_their_rows(folder, form, first, capsys):
    write = {"csv": as_csv, "jsonl": as_jsonl}[form]
    (folder / f"l.{form}").write_text(write(rows("label")), encoding="utf-8")
    photos = scan_photos(folder / f"l.{form}", for_training=False)
    (told,) = [f for f in check_photos(photos).findings if f.code == "same-labels"]
    assert (told.count, told.severity) == (2, "error")
    assert f"'p1' (rows {first}, {first + 1})" in told.examples[1]
    assert "2 classes are written in several ways" in capsys.readouterr().err
    assert photos.counts()["p1"] == 2


def test_flags_sides_times_and_columns_of_a_table(folder):
    text = "PATH\u00a0,a,b,Split\n" + "".join(
        f"{i}.png,{yes},{no},{side}\n"
        for i, (yes, no, side) in enumerate(
            [
                ("1", "0", "train"),
                ("1.00", "00", " Train\u200b"),
                ("TRUE ", "False", "TRAINING"),
                ("1e0", "0.0", "ｖａｌ"),
                ("01", "-0", "Validation_"),
                ("１", "+0", "te\u00adst"),
            ]
        )
    )
    (folder / "f.csv").write_text(text, encoding="utf-8")
    photos = scan_photos(folder / "f.csv", labels=["a", "b"], for_training=False).photos
    assert {photo.label for photo in photos} == {("a",)}
    assert [p.split for p in photos] == ["train"] * 3 + ["val"] * 2 + ["test"]
    times = ["2026-03-31", " 2026-03-31\u200b", 20260331, 20260331.0, "２０２６-03-31"]
    lines = [{"path": f"{i}.png", "label": "a", "time": t} for i, t in enumerate(times)]
    (folder / "t.jsonl").write_text(as_jsonl(lines), encoding="utf-8")
    photos = scan_photos(folder / "t.jsonl", for_training=False).photos
    assert {photo.time for photo in photos} == {datetime(2026, 3, 31)}
    for wrong in (1767225600, 1612110900123, "20260331.0", "2026"):
        (folder / "t.jsonl").write_text(as_jsonl([{**lines[0], "time": wrong}]))
        with pytest.raises(DataError, match=f"row 1 has the time '{wrong}', which is not ISO 8601"):
            scan_photos(folder / "t.jsonl")
    twice = '{"path": "0.png", "label": "a", " Label": "b"}\n{"path": 1, "path": 2}'
    (folder / "t.jsonl").write_text(twice)
    with pytest.raises(DataError, match="row 1 has 'label' more than once; row 2 .* has 'path'"):
        scan_photos(folder / "t.jsonl")


def test_names_of_folders(tmp_path, make, capsys):
    for i, name in enumerate(["ok", "ok ", "caf\u00e9", "cafe\u0301", "CAF\u00c9"]):
        for part in ("p1", "p1\u00a0", "P1"):
            make.photo(tmp_path / name / part / f"{i}.png", 9 * i + len(part), (24, 32))
    photos = scan_photos(tmp_path, group_by="folder")
    assert photos.class_names == ("CAF\u00c9", "caf\u00e9", "ok")
    assert photos.counts() == {"CAF\u00c9": 3, "caf\u00e9": 6, "ok": 6}
    assert {photo.group for photo in photos.photos} == {"p1", "P1"}
    err = capsys.readouterr().err
    assert r"'CAF\xc9' (" in err and "'P1' (" in err
    sides = tmp_path / "sides"
    for i, side in enumerate(("Train ", "test\u200b")):
        for label in "ab":
            for k in range(2):
                make.photo(
                    sides / side / label / f"{k}.png", 99 + i * 10 + k + ord(label), (24, 32)
                )
    assert {photo.split for photo in scan_photos(sides).photos} == {"train", "test"}
    (tmp_path / "blank" / "\u00a0").mkdir(parents=True)
    with pytest.raises(DataError, match="shows nothing, so it cannot be a label"):
        scan_photos(tmp_path / "blank")


def test_names_in_arrays(capsys):
    x = np.random.default_rng(0).integers(0, 256, (8, 24, 24, 3), np.uint8)
    y = ["a", "a ", b"a", np.str_("\ufeffa"), "b", "b", "b\u00a0", "b"]
    photos = photos_from_arrays(x, y, groups=SPELLINGS, split=[" Train", "TEST\u200b"] * 4)
    assert photos.counts() == {"a": 4, "b": 4}
    assert photos.groups == ["p1"] * 4 + ["1"] * 4
    assert {photo.split for photo in photos.photos} == {"train", "test"}
    assert "2 groups are written in several ways" in capsys.readouterr().err
    unknown = [float("nan"), None, "", " ", "nan", np.nan, "\u200b", "g"]
    assert photos_from_arrays(x, y, groups=unknown).groups == [None] * 7 + ["g"]
    assert photos_from_arrays(x, [1, 1.0, "1", " 1"] + ["b"] * 4).class_names == ("1", "b")
    with pytest.raises(ValueError, match=r"beside them nan \(number 1\)"):
        photos_from_arrays(x, ["a", float("nan")] * 4)
    with pytest.raises(ValueError, match="`class_names` names 'a' more than once"):
        photos_from_arrays(x, y, class_names=["a", "a ", "b"])
