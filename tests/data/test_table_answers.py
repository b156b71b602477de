"""Tables that say several labels or a number; columns of other names; classes in order."""

import json

import pytest

from kerasrecipes.errors import DataError
from kerasrecipes.photos.check import check_photos
from kerasrecipes.photos.scan import scan_photos
from kerasrecipes.photos.split import split_photos

LABELS = ("scratch|dent", "dent", "", "scratch", " dent | scratch |", "dent")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, make):
    root = tmp_path_factory.mktemp("photos")
    for i in range(6):
        make.photo(root / f"{i}.png", i, (24, 32))
    return root


def table(folder, header, *cells, name="t.csv"):
    path = folder / name
    path.write_text(f"path,{header}\n" + "".join(f"{i}.png,{c}\n" for i, c in enumerate(cells)))
    return path


def said(photos):
    return [photo.label for photo in photos.photos]


EXPECTED = [("dent", "scratch"), ("dent",), (), ("scratch",), ("dent", "scratch"), ("dent",)]


def test_labels_in_one_column(folder):
    photos = scan_photos(table(folder, "labels", *LABELS))
    assert photos.target == "labels" and photos.class_names == ("dent", "scratch")
    assert said(photos) == EXPECTED
    assert photos.counts() == {"dent": 4, "scratch": 3}


def test_a_semicolon_separates_only_where_there_is_no_bar(folder):
    semicolons = [cell.replace("|", ";") for cell in LABELS]
    assert said(scan_photos(table(folder, "labels", *semicolons))) == EXPECTED
    photos = scan_photos(table(folder, "labels", "a;b|c", "c", "a;b", "", "", ""))
    assert photos.class_names == ("a;b", "c")


def test_labels_as_a_list_in_json(folder):
    path = folder / "t.jsonl"
    lines = [{"path": f"{i}.png", "labels": list(labels)} for i, labels in enumerate(EXPECTED)]
    path.write_text("\n".join(map(json.dumps, lines)))
    assert said(scan_photos(path)) == EXPECTED
    flags = [{"path": f"{i}.png", "a": i % 2 == 0, "B": float(i % 3 == 0)} for i in range(6)]
    path.write_text("\n".join(map(json.dumps, flags)))
    assert said(scan_photos(path)) == [("B", "a"), (), ("a",), ("B",), ("a",), ()]


@pytest.mark.parametrize(
    "cells", [("1,1", "0,1", "0,0", "1,0", "1,1", "0,1"), ("true,1.0", "FALSE,true", *["0,0"] * 4)]
)
def test_one_column_per_label(folder, cells):
    found = scan_photos(table(folder, "Scratch,Dent", *cells), for_training=False)
    assert found.class_names == ("Dent", "Scratch")
    assert said(found)[:2] == [("Dent", "Scratch"), ("Dent",)]


def test_named_columns_of_0_and_1(folder):
    path = table(folder, "a,b,c,note", *["1,0,1,x", "0,1,1,y"] * 3)
    assert scan_photos(path, labels=("A", "b")).class_names == ("a", "b")
    assert said(scan_photos(path, labels="b"))[:2] == [(), ("b",)]
    assert scan_photos(path, label="note").class_names == ("x", "y")
    with pytest.raises(DataError, match="has no column 'label'; it has .*named by label=, labels="):
        scan_photos(path)


def test_numbers(folder):
    numbers = ("1.5", "-2", "3e-1", "0", "7", "7")
    for column, asked in (("value", {}), ("Target", {}), ("wear_mm", {"value": "Wear_mm"})):
        photos = scan_photos(table(folder, column, *numbers), **asked)
        assert photos.target == "number" and photos.class_names == ()
        assert said(photos) == [1.5, -2, 0.3, 0, 7, 7]
    with pytest.raises(DataError, match="only one number: '1.0'. Add photos of other numbers"):
        scan_photos(table(folder, "value", *"111111"))


@pytest.mark.parametrize(
    ("header", "cells", "asked", "message"),
    [
        ("value", ("1", "nan", "x"), {}, "2 rows .* row 3 has no value .*row 4 has the value 'x'"),
        ("value", ("1", '"1,5"'), {}, "row 3 has the value '1,5', .*write a decimal point"),
        ("value", ("inf",), {}, "row 2 has the value 'inf', which is not finite"),
        ("a,b", ("1,0", ",1", "2,1"), {"labels": ("a", "b")}, "row 3 does not say .*row 4 has '2'"),
        ("a,b", ("1,0", ",1"), {}, "row 3 does not say whether it has 'a': write 0 or 1"),
        ("label,value", ("a,1",), {}, "'label', 'value', each .*label='label', value='value'"),
        ("wear", ("1",), {"value": "waer"}, r"no column 'waer'. Did you mean 'wear'\?"),
        ("a,b", ("1,1",), {"labels": ("a", "A")}, "`labels` names the column 'a' more than once"),
        ("lable", ("1",), {}, "no column 'label'; .*Rename 'lable' if you mean that"),
        ("labels", ("", ""), {}, "no label that 2 readable photos have"),
        ("labels", ("a", "a|b"), {}, r"1 of 2 labels in .* fewer than 2 .*'b' \(1\)"),
        ("label", ("1", "2"), {}, r"2 of 2 classes.*numbers to be predicted, name their column"),
    ],
)
def test_what_is_wrong_is_said_with_its_rows(folder, header, cells, asked, message):
    with pytest.raises(DataError, match=f"(?s){message}"):
        scan_photos(table(folder, header, *cells), **asked)


def test_what_cannot_be_asked(folder, tmp_path, make):
    path = table(folder, "label", *"aabbcc")
    with pytest.raises(ValueError, match="Pass only one of `labels`, `value`"):
        scan_photos(path, labels="label", value="label")
    with pytest.raises(ValueError, match="`labels` must name at least one column"):
        scan_photos(path, labels=())
    make.folder(tmp_path, {"a": 2, "b": 2})
    with pytest.raises(ValueError, match="`value` names columns .* is a folder, which can only"):
        scan_photos(tmp_path, value="wear")


def test_a_rare_label_is_dropped_from_its_photos(folder):
    photos = scan_photos(
        table(folder, "labels", "a|b", "a", "", "b", "c", "a"), drop_small_classes=True
    )
    assert photos.class_names == ("a", "b")
    assert said(photos) == [("a", "b"), ("a",), (), ("b",), (), ("a",)]
    assert photos.excluded == ()


def test_classes_in_an_order(folder, tmp_path, make):
    path = table(folder, "label", *["none", "light", "heavy"] * 2)
    order = ("none", "light", "heavy")
    photos = scan_photos(path, classes=order)
    assert photos.class_names == order and photos.labels.tolist() == [0, 1, 2] * 2
    assert scan_photos(path).class_names == ("heavy", "light", "none")
    shown = str(check_photos(photos))
    assert shown.index("none") < shown.index("light") < shown.index("heavy")
    with pytest.raises(DataError, match="row 4: 'heavy'; row 7: 'heavy'. Did you mean 'heavi'"):
        scan_photos(path, classes=("none", "light", "heavi"))
    with pytest.raises(ValueError, match="names 'none' more than once"):
        scan_photos(path, classes=("none", *order))
    with pytest.raises(ValueError, match="must be a list of names or 'by value', not 'none'"):
        scan_photos(path, classes="none")
    with pytest.raises(ValueError, match="no effect: the photos are answered with numbers"):
        scan_photos(table(folder, "value", *"123456", name="v.csv"), classes=order)
    make.folder(tmp_path, {"10": 2, "9": 2, "2": 2})
    assert scan_photos(tmp_path).class_names == ("10", "2", "9")
    assert scan_photos(tmp_path, classes="by value").class_names == ("2", "9", "10")
    with pytest.raises(DataError, match="9/9_000.png: '9'"):
        scan_photos(tmp_path, classes=("10", "2"))
    with pytest.raises(DataError, match="are not all numbers"):
        scan_photos(path, classes="by value")


def test_every_side_has_its_share_of_every_label(make):
    several = [("dent",), ("scratch",), ("dent", "scratch"), ()] * 15 + [("rare",)] * 3
    photos = make.photo_set(several)
    sides = split_photos(photos)
    assert [side.counts()["rare"] for side in sides] == [1, 1, 1]
    assert [side.counts()["dent"] for side in sides] == [18, 6, 6]
    assert [sum(not p.label for p in side.photos) for side in sides] == [9, 3, 3]
    few = make.photo_set([("a",), ()] * 15 + [("rare",)] * 2)
    with pytest.raises(DataError, match=r"1 labels are too small .*'rare' \(2 photos.*per label"):
        split_photos(few)


def test_a_number_need_not_be_on_every_side(make):
    numbers = [float(i) for i in range(60)]
    photos = make.photo_set(numbers, groups=[f"g{i // 6}" for i in range(60)])
    sizes = [len(side) for side in split_photos(photos)]
    assert sum(sizes) == 60 and min(sizes) >= 6 and max(sizes) == sizes[0]
    large = make.photo_set(numbers, groups=[f"g{i // 20}" for i in range(60)])
    with pytest.raises(DataError, match="all have photos: nothing is left for .* large a share"):
        split_photos(large)
    two = make.photo_set(numbers, groups=[f"g{i // 30}" for i in range(60)])
    with pytest.raises(DataError, match="60 photos are too few to split .* which leaves 2"):
        split_photos(two)


def codes(report):
    return {finding.code: finding for finding in report.findings}


def test_findings_about_labels(make):
    several = [("a", "always"), ("always",)] * 10 + [("a", "always", "rare")]
    report = check_photos(make.photo_set(several))
    assert report.sizes == {"all": 21} and report.to_dict()["photos"] == {"all": 21}
    assert "photos   21" in str(report) and str(report).startswith("label")
    found = codes(report)
    assert found["constant-labels"].examples == ("always",)
    assert "1 label has fewer than 2 photos" in found["small-classes"].message
    assert "21 times the photos of the rarest" in found["imbalance"].message
    bare = check_photos(make.photo_set([(), ("a",)] * 10))
    assert codes(bare)["without-labels"].count == 10
    clash = make.photo_set([(), ("a",)] * 10, contents=[0, 0, *range(1, 19)])
    assert "there with different labels" in codes(check_photos(clash))["conflicting-labels"].message


def test_findings_about_numbers(make):
    numbers = [i / 10 for i in range(40)]
    photos = make.photo_set(numbers)
    report = check_photos(photos)
    assert report.findings == ()
    assert report.numbers == {"all": {"smallest": 0.0, "median": 1.95, "largest": 3.9}}
    sides = photos.select(range(5, 35)), photos.select([*range(5), 36])
    beyond = codes(check_photos(*sides))["beyond-training"]
    assert (beyond.count, "outside those of train, 0.5 to 3.4" in beyond.message) == (6, True)
    far = make.photo_set([*numbers[:-1], 390.0])
    assert codes(check_photos(far))["far-numbers"].count == 1
    grades = make.photo_set([float(i % 4) for i in range(40)])
    assert "4 different numbers" in codes(check_photos(grades))["grades"].message
    twice = make.photo_set(numbers, contents=[0, 0, *range(1, 39)])
    assert "there with two numbers" in codes(check_photos(twice))["conflicting-labels"].message
