"""What people decided about photos counts wherever these are scanned, and it is said."""

import csv
import shutil

import pytest

from kerasrecipes import DataError, check_photos, scan_photos
from kerasrecipes.data.tables.decisions import Decision, name_among, write_decision


@pytest.fixture
def root(tmp_path, make):
    for kind in ("bad", "good"):
        for i in range(4):
            make.photo(tmp_path / "photos" / kind / f"{i}.png", 10 * len(kind) + i, (64, 80))
    return tmp_path / "photos"


def decide(root, name, decision, label="", file=None):
    scanned = {name_among(p.path, root): p for p in scan_photos(root, labels_from=None).photos}
    one = Decision(name, scanned[name].key, decision, label, str(scanned[name].label), "ana")
    write_decision(file or root / "labels.csv", name, one)


def labels_of(photos, root):
    return {name_among(photo.path, root): photo.label for photo in photos.photos}


def test_decisions_beside_photos_count_and_are_said(root, capsys):
    decide(root, "bad/0.png", "relabel", "good")
    decide(root, "bad/1.png", "exclude")
    decide(root, "good/0.png", "cannot tell")
    decide(root, "good/1.png", "keep")
    capsys.readouterr()
    photos = scan_photos(root)
    assert labels_of(photos, root) == {
        "bad/0.png": "good", "bad/2.png": "bad", "bad/3.png": "bad",
        "good/1.png": "good", "good/2.png": "good", "good/3.png": "good",
    }  # fmt: skip
    said = capsys.readouterr().err
    assert "1 relabelled, 1 left out, 1 left out since nobody could tell, 1 confirmed" in said
    report = check_photos(photos)
    (left_out,) = [one for one in report.findings if one.code == "decided"]
    assert left_out.count == 2 and left_out.severity == "info"
    assert left_out.examples == (
        "bad/1.png: left out by ana in 'labels.csv'",
        "good/0.png: left out since nobody could tell by ana in 'labels.csv'",
    )
    # The file itself is nothing that was passed over by mistake.
    assert not {"ignored", "unreadable"} & {one.code for one in report.findings}
    assert len(scan_photos(root, labels_from=None)) == 8


def test_a_photo_that_was_replaced_counts_as_it_is(root, make, capsys):
    decide(root, "bad/0.png", "exclude")
    decide(root, "bad/1.png", "exclude")
    make.photo(root / "bad" / "0.png", 777, (64, 80))
    capsys.readouterr()
    assert "bad/0.png" in labels_of(scan_photos(root), root)
    assert "1 photos were replaced since somebody decided about them" in capsys.readouterr().err


def test_a_photo_that_was_moved_is_known_by_its_content(root):
    decide(root, "bad/0.png", "relabel", "good")
    decide(root, "bad/1.png", "exclude")
    (root / "bad" / "0.png").rename(root / "good" / "moved.png")
    # Of two that have the same content neither is meant.
    shutil.copy(root / "bad" / "1.png", root / "bad" / "copy.png")
    (root / "bad" / "1.png").rename(root / "bad" / "other.png")
    found = labels_of(scan_photos(root), root)
    assert found["good/moved.png"] == "good"
    assert {"bad/copy.png", "bad/other.png"} <= set(found)


def test_of_two_copies_one_can_be_left_out(root):
    shutil.copy(root / "bad" / "0.png", root / "good" / "same.png")
    decide(root, "good/same.png", "exclude")
    found = labels_of(scan_photos(root), root)
    assert "good/same.png" not in found and found["bad/0.png"] == "bad"


def test_a_named_file_must_be_about_these_photos(root, tmp_path):
    with pytest.raises(DataError, match="Cannot read the table '.*none.csv'"):
        scan_photos(root, labels_from=tmp_path / "none.csv")
    file = tmp_path / "mine.csv"
    decide(root, "bad/0.png", "exclude", file=file)
    assert len(scan_photos(root)) == 8
    assert len(scan_photos(root, labels_from=str(file))) == 7
    (root / "bad" / "0.png").unlink()
    with pytest.raises(DataError, match="None of the 1 decisions in '.*mine.csv' is about one"):
        scan_photos(root, labels_from=file)


def test_decisions_about_a_table_lie_beside_it_and_name_its_paths(root, tmp_path):
    table = tmp_path / "t.csv"
    with table.open("w", newline="") as file:
        rows = [["path", "label"], *([f"./photos/{k}/{i}.png", k] for k in ("bad", "good")
                                     for i in range(4))]  # fmt: skip
        csv.writer(file).writerows(rows)
    decide(table, "photos/bad/0.png", "exclude", file=tmp_path / "t.labels.csv")
    assert len(scan_photos(table)) == 7


def test_a_new_class_is_said_and_must_fit_a_given_order(root, capsys):
    for i in range(2):
        decide(root, f"bad/{i}.png", "relabel", "goood")
    capsys.readouterr()
    assert scan_photos(root).class_names == ("bad", "good", "goood")
    assert "classes that no photo had: 'goood'. Did you mean 'good'?" in capsys.readouterr().err
    with pytest.raises(DataError, match="`classes` does not name 'goood', which somebody decided"):
        scan_photos(root, classes=["good", "bad"])


def test_too_little_left_to_learn_from_is_an_error_as_ever(root):
    for i in range(3):
        decide(root, f"bad/{i}.png", "relabel", "good")
    with pytest.raises(DataError, match=r"fewer than 2 readable photos: 'bad' \(1\)"):
        scan_photos(root)


def test_several_labels_can_be_left_out_but_not_relabelled(root, tmp_path):
    table = tmp_path / "t.csv"
    lines = [f"photos/{k}/{i}.png,{'a|b' if i % 2 else 'a'}" for k in ("bad", "good")
             for i in range(4)]  # fmt: skip
    table.write_text("\n".join(["path,labels", *lines]))
    file = tmp_path / "t.labels.csv"
    decide(table, "photos/bad/0.png", "exclude", file=file)
    assert len(scan_photos(table)) == 7
    decide(table, "photos/bad/1.png", "relabel", "a", file=file)
    with pytest.raises(DataError, match="these have no single class each"):
        scan_photos(table)


def test_decisions_that_a_spreadsheet_saved_otherwise_are_not_passed_over(root):
    decide(root, "bad/0.png", "exclude")
    file = root / "labels.csv"
    text = file.read_text("utf-8")
    file.write_text(text, "utf-16")
    with pytest.raises(DataError, match="is not UTF-8"):
        scan_photos(root)
    file.write_text("sep=,\r\n" + text, "utf-8-sig")
    assert len(scan_photos(root)) == 7
