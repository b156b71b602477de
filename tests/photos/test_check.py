"""Findings: each fault once, in words that say what to do."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from kerasrecipes.errors import DataError
from kerasrecipes.photos.check import check_photos
from kerasrecipes.photos.decoding.policy import DecodePolicy
from kerasrecipes.photos.scan import scan_photos
from kerasrecipes.photos.split import split_photos


def codes(report):
    return [(finding.severity, finding.code, finding.count) for finding in report.findings]


def only(report, code):
    (finding,) = [finding for finding in report.findings if finding.code == code]
    return finding


def test_a_clean_set_has_no_findings(make):
    report = check_photos(make.photo_set(["a", "b"] * 20))
    assert codes(report) == [] and report.ok and report.leaks == ()
    assert report.counts == {"all": {"a": 20, "b": 20}}
    assert str(report).endswith("Nothing found.")
    assert codes(check_photos(*split_photos(make.photo_set(["a", "b"] * 20)))) == []


def test_files_of_every_unusual_kind(tmp_path, make):
    make.folder(tmp_path, {"a": 12, "b": 12})
    for path in tmp_path.glob("*/*.png"):
        make.photo(path, int(path.stem[-3:]) + 100 * (path.parent.name == "b"), (70, 80))
    (tmp_path / "a" / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    (tmp_path / "a" / "notes.txt").write_text("x")
    (tmp_path / "a" / "a_000.png").rename(tmp_path / "a" / "named.JPG")
    deep = (make.texture(900).astype(np.uint16) * 15)[:70, :80]
    Image.fromarray(deep).save(tmp_path / "b" / "deep.png")
    Image.fromarray(make.texture(901)).convert("CMYK").save(tmp_path / "b" / "cmyk.tif")
    frames = [Image.fromarray(make.texture(i)) for i in (902, 903)]
    frames[0].save(tmp_path / "b" / "two.tif", save_all=True, append_images=frames[1:])
    make.photo(tmp_path / "b" / "tiny.png", 904, (40, 200))
    (tmp_path / "b" / "huge.png").write_bytes(make.png_bomb(6000, 5000))
    report = check_photos(scan_photos(tmp_path))
    assert codes(report) == [
        ("warning", "unreadable", 1),
        ("warning", "misnamed", 1),
        ("warning", "16-bit", 1),
        ("warning", "cmyk", 1),
        ("warning", "animated", 1),
        ("warning", "tiny", 1),
        ("info", "huge", 1),
        ("info", "ignored", 1),
    ]
    assert report.ok
    assert only(report, "unreadable").examples[0].startswith("a/cut.jpg: truncated")
    assert only(report, "misnamed").examples == ("a/named.JPG is PNG",)
    assert "looks like 12 bits" in only(report, "16-bit").message
    assert "max_16bit=4095" in only(report, "16-bit").message
    assert only(report, "animated").examples == ("b/two.tif",)
    assert only(report, "tiny").examples == ("b/tiny.png: 200x40",)
    assert only(report, "huge").examples == ("b/huge.png: 6000x5000",)
    declared = check_photos(scan_photos(tmp_path, policy=DecodePolicy(max_16bit=4095)))
    assert only(declared, "16-bit").severity == "info"
    restored = json.loads(json.dumps(report.to_dict()))
    assert restored["ok"] is True and restored["leaks"] == 0
    assert restored["findings"][0]["code"] == "unreadable"
    assert "WARNING misnamed: 1 photo has the" in str(report)


def test_copies_inside_and_across_splits(make):
    contents = [0, 0, *range(1, 39)]
    whole = make.photo_set(["a"] * 20 + ["b"] * 20, contents=contents)
    finding = only(check_photos(whole), "duplicates")
    assert (finding.severity, finding.count) == ("warning", 1)
    assert finding.examples == ("a/0000.jpg = a/0001.jpg",)
    report = check_photos(whole.select([0, *range(2, 30)]), whole.select([1, *range(30, 40)]))
    assert [finding.code for finding in report.leaks] == ["duplicates-across-splits"]
    assert report.leaks[0].examples == ("a/0000.jpg (train) = a/0001.jpg (val)",)
    assert not report.ok and "too good" in report.leaks[0].message
    assert check_photos(*split_photos(whole)).leaks == ()
    wrong = make.photo_set(["a", "b"] * 15, contents=[0, *range(29)])
    conflict = only(check_photos(wrong), "conflicting-labels")
    assert (conflict.severity, conflict.count) == ("error", 1)
    assert "two different labels" in conflict.message


def test_look_alikes_leak_unless_declared_groups_say_otherwise(make):
    alike = [0, 0] + [None] * 38
    sides = ["train", "test"] + ["train", "val", "test", "train"] * 9 + ["train", "test"]
    labels = ["a"] * 20 + ["b"] * 20
    report = check_photos(make.photo_set(labels, alike=alike, splits=sides))
    (leak,) = report.leaks
    assert leak.code == "near-duplicates-across-splits" and leak.count == 1
    assert leak.examples == ("a/0000.jpg (train) = a/0001.jpg (test)",)
    different = make.photo_set(labels, alike=alike, splits=sides, groups=list(map(str, range(40))))
    report = check_photos(different)
    assert report.ok and report.leaks == ()
    assert only(report, "look-alikes-across-splits").severity == "warning"
    same = make.photo_set(
        labels, alike=alike, splits=sides, groups=["g", "g", *map(str, range(38))]
    )
    (leak,) = check_photos(same).leaks
    assert leak.code == "groups-across-splits" and "1 of 39 groups" in leak.message
    assert only(check_photos(make.photo_set(labels, alike=alike)), "near-duplicates").count == 1
    assert check_photos(make.photo_set(labels, alike=alike, splits=sides), near=False).leaks == ()


def test_a_random_split_of_grouped_photos_is_a_leak(make):
    photos = make.photo_set(["a", "b"] * 60, groups=[f"g{i // 6}" for i in range(120)])
    report = check_photos(*split_photos(photos, split_by="random"))
    assert [leak.code for leak in report.leaks] == ["groups-across-splits"]
    assert "split_by='group'" in report.leaks[0].message
    assert check_photos(*split_photos(photos)).ok


def test_photos_without_a_group_are_named(make):
    photos = make.photo_set(["a", "b"] * 20, groups=[None, *map(str, range(39))])
    finding = only(check_photos(photos), "missing-groups")
    assert (finding.severity, finding.count) == ("warning", 1)
    assert finding.examples == ("a/0000.jpg",)


def test_labels_that_read_the_same(make):
    names = ["Crack", "crack ", "caf\u00e9", "cafe\u0301", "ok", "ok2"]
    report = check_photos(make.photo_set(names * 12))
    finding = only(report, "same-labels")
    assert (finding.severity, finding.count) == ("error", 2)
    assert finding.examples == (
        "'Crack' (Crack/0000.jpg) = 'crack ' (crack /0001.jpg)",
        "'cafe\\u0301' (cafe\u0301/0003.jpg) = 'caf\\xe9' (caf\xe9/0002.jpg)",
    )


def test_imbalance_small_and_missing_classes(make):
    whole = make.photo_set(["a"] * 60 + ["b"] * 5 + ["c"])
    report = check_photos(whole)
    assert codes(report) == [
        ("error", "small-classes", 1),
        ("warning", "small-classes", 1),
        ("warning", "imbalance", 3),
    ]
    assert report.findings[0].examples == ("c: 1",)
    assert report.findings[1].examples == ("b: 5",)
    assert "60 times" in report.findings[2].message
    (uneven,) = check_photos(make.photo_set(["a"] * 30 + ["b"] * 13)).findings
    assert (uneven.severity, uneven.code) == ("info", "imbalance")
    assert "2.3 times the photos" in uneven.message and "right for 70% of them" in uneven.message
    assert not check_photos(make.photo_set(["a"] * 15 + ["b"] * 10)).findings
    report = check_photos(whole.select(range(62)), whole.select([62, 63, 65]))
    missing = [finding for finding in report.findings if finding.code == "missing-classes"]
    assert [(f.severity, f.examples) for f in missing] == [("error", ("c",)), ("warning", ("a",))]
    assert "train has no photo of 1 class, which cannot be learned" in missing[0].message


def test_ready_made_folders_are_judged(tmp_path, make):
    for seed, side in enumerate(("train", "test")):
        make.folder(tmp_path / side, {"a": 10, "b": 10}, 100 * seed)
    shutil.copy(tmp_path / "train" / "a" / "a_001.png", tmp_path / "test" / "a" / "copy.png")
    (leak,) = check_photos(scan_photos(tmp_path)).leaks
    assert leak.code == "duplicates-across-splits"
    assert leak.examples == ("test/a/copy.png (test) = train/a/a_001.png (train)",)


def test_strange_names_are_escaped_in_text(make):
    photos = make.photo_set(["a\n<b>", "\u202eb"] * 12, contents=[0, 2, 0, *range(3, 24)])
    text = str(check_photos(photos))
    assert "a\\n<b>" in text and "\\u202eb" in text and "\u202e" not in text


def test_the_number_of_sets_is_checked(make):
    photos = make.photo_set(["a", "b"])
    for sets in ([], [photos] * 4):
        with pytest.raises(DataError, match="takes one scanned set, or train, val and test"):
            check_photos(*sets)
