"""Folders: classes, ready-made splits, groups, and everything that lies about in them."""

import os
import shutil
import socket
import tempfile
from pathlib import Path

import pytest
from PIL import Image

from kerasrecipes.errors import DataError
from kerasrecipes.photos import inspecting, scan
from kerasrecipes.photos.decoding.policy import DecodePolicy
from kerasrecipes.photos.scan import scan_photos


def test_one_folder_per_class(tmp_path, make):
    make.folder(tmp_path / "p", {"rose": 3, "iris": 2})
    make.photo(tmp_path / "p" / "rose" / "box" / "deep" / "x.jpg", 50)
    photos = scan_photos(tmp_path / "p")
    assert photos.class_names == ("iris", "rose")
    assert photos.counts() == {"iris": 2, "rose": 4}
    assert photos.labels.tolist() == [0, 0, 1, 1, 1, 1]
    assert photos.excluded == photos.ignored == ()
    assert all(photo.path.is_absolute() for photo in photos.photos)
    facts = photos.photos[-1].facts
    assert (facts.width, facts.height, facts.image_format, facts.mode) == (128, 96, "JPEG", "RGB")
    assert (facts.bits, facts.frames, facts.max_value) == (8, 1, None)
    assert facts.size_bytes == photos.photos[-1].path.stat().st_size
    assert scan_photos(str(tmp_path / "p")) == photos


def test_ready_made_splits(tmp_path, make):
    for seed, side in enumerate(("Train", "valid", "test")):
        make.folder(tmp_path / side, {"a": 2, "b": 2}, 10 * seed)
    photos = scan_photos(tmp_path)
    assert photos.class_names == ("a", "b")
    sides = [photo.split for photo in photos.photos]
    assert sorted(sides) == ["test"] * 4 + ["train"] * 4 + ["val"] * 4
    only = scan_photos(shutil.copytree(tmp_path / "Train", tmp_path / "x" / "train").parent)
    assert {photo.split for photo in only.photos} == {"train"}


def test_a_class_may_be_called_test(tmp_path, make):
    make.folder(tmp_path, {"test": 2, "other": 2})
    photos = scan_photos(tmp_path)
    assert photos.class_names == ("other", "test")
    assert {photo.split for photo in photos.photos} == {None}


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (("train", "test", "extra"), "holds ready-made splits .* beside them 'extra'"),
        (("val", "test"), "no train folder"),
        (("train", "val", "valid"), "two folders for the same split"),
    ],
)
def test_muddled_splits_are_refused(tmp_path, make, folders, message):
    for folder in folders:
        make.folder(tmp_path / folder, {"a": 2, "b": 2})
    with pytest.raises(DataError, match=message):
        scan_photos(tmp_path)


def test_wrong_sources_say_what_to_do(tmp_path, make):
    make.folder(tmp_path / "photos", {"a": 2, "b": 2})
    with pytest.raises(DataError, match=r"no folder or table .*/photo'\. Did you mean 'photos'"):
        scan_photos(tmp_path / "photo")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"holds no class folders. Make one folder per class"):
        scan_photos(tmp_path / "empty")
    make.photo(tmp_path / "flat" / "a.png")
    with pytest.raises(DataError, match=r"1 photos lie directly in .* Make one folder per class"):
        scan_photos(tmp_path / "flat")
    with pytest.raises(DataError, match="neither a folder nor a table"):
        scan_photos(tmp_path / "flat" / "a.png")
    make.folder(tmp_path / "one", {"a": 2})
    with pytest.raises(DataError, match="only one class: 'a'"):
        scan_photos(tmp_path / "one")
    with pytest.raises(ValueError, match="`max_unreadable_fraction` must be from 0 to 1"):
        scan_photos(tmp_path / "photos", max_unreadable_fraction=2)


def test_small_and_empty_classes_are_refused_or_dropped(tmp_path, make):
    make.folder(tmp_path, {"iris": 0, "lily": 1, "rose": 3, "tulip": 3})
    message = (
        r"2 of 4 classes in '.*' have fewer than 2 readable photos: 'iris' \(0\), 'lily' \(1\)\. "
        r"Add photos, or pass drop_small_classes=True \(--drop-small-classes\)\."
    )
    with pytest.raises(DataError, match=message):
        scan_photos(tmp_path)
    photos = scan_photos(tmp_path, drop_small_classes=True)
    assert photos.class_names == ("rose", "tulip")
    assert [item.path.name for item in photos.excluded] == ["lily_000.png"]
    assert "dropped" in photos.excluded[0].reason
    make.folder(tmp_path / "x", {"iris": 0, "lily": 1})
    with pytest.raises(DataError, match="no class with 2 readable photos"):
        scan_photos(tmp_path / "x", drop_small_classes=True)


def test_unreadable_photos_are_listed_with_the_reason(tmp_path, make):
    make.folder(tmp_path, {"a": 12, "b": 12})
    whole = (tmp_path / "a" / "a_000.png").read_bytes()
    (tmp_path / "a" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "a" / "page.jpg").write_bytes(b"<html>not found")
    (tmp_path / "b" / "zero.jpg").write_bytes(b"")
    (tmp_path / "b" / "apple.heic").write_bytes(b"\0\0\0\x18ftypheic")
    (tmp_path / "b" / "bomb.png").write_bytes(make.png_bomb(20_050, 20_000))
    photos = scan_photos(tmp_path, max_unreadable_fraction=0.2)
    assert len(photos) == 24
    reasons = {item.path.name: item.reason for item in photos.excluded}
    assert reasons["cut.png"].startswith("truncated")
    assert reasons["page.jpg"] == "not a photo: begins with '<html>not fo'"
    assert reasons["zero.jpg"] == "empty file"
    assert "HEIC" in reasons["apple.heic"]
    assert "401 megapixels" in reasons["bomb.png"]
    with pytest.raises(DataError, match=r"(?s)5 of 29 photos .* 'a/cut\.png': truncated"):
        scan_photos(tmp_path)


def test_what_is_no_photo_is_ignored_and_the_policy_counts(tmp_path, make):
    make.folder(tmp_path, {"a": 4, "b": 4, "_notes": 1, ".cache": 1})
    (tmp_path / "a" / "Thumbs.db").write_bytes(b"x")
    (tmp_path / "readme.txt").write_text("x")
    (tmp_path / "a" / "._a_000.png").write_bytes(b"AppleDouble")
    photos = scan_photos(tmp_path)
    names = {str(path.relative_to(tmp_path)) for path in photos.ignored}
    assert names == {"_notes", ".cache", "a/Thumbs.db", "readme.txt", "a/._a_000.png"}
    with pytest.raises(DataError, match=r"8 of 8 photos .* too small"):
        scan_photos(tmp_path, policy=DecodePolicy(min_side=100))
    make.photo(tmp_path / "loose.png")
    (excluded,) = scan_photos(tmp_path, max_unreadable_fraction=0.2).excluded
    assert "outside the class folders" in excluded.reason


def test_links_pipes_and_devices_never_hang(tmp_path, make):
    root = make.folder(tmp_path / "p", {"a": 12, "b": 12})
    outside = make.photo(tmp_path / "outside.png", 99)
    a = root / "a"
    (a / "loop").symlink_to(root)
    (a / "self.png").symlink_to(a / "self.png")
    (a / "broken.png").symlink_to(tmp_path / "nowhere.png")
    (a / "out.png").symlink_to(outside)
    (a / "zero.png").symlink_to("/dev/zero")
    (a / "inside.png").symlink_to(root / "b" / "b_000.png")
    os.mkfifo(a / "pipe.png")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(a / "socket.png"))
    photos = scan_photos(root, max_unreadable_fraction=0.5)
    reasons = {item.path.name: item.reason for item in photos.excluded}
    assert reasons == {
        "loop": "a link to a folder, which is not followed",
        "self.png": "a link that leads nowhere",
        "broken.png": "a link that leads nowhere",
        "out.png": "a link that leaves the folder",
        "zero.png": "a link that leaves the folder",
        "pipe.png": "a pipe, socket or device, not a file",
        "socket.png": "a pipe, socket or device, not a file",
    }
    assert len(photos) == 25
    through = tmp_path / "link"
    through.symlink_to(root)
    assert len(scan_photos(through, max_unreadable_fraction=0.5)) == 25
    os.mkfifo(tmp_path / "t.csv")
    (tmp_path / "gone.csv").symlink_to(tmp_path / "nowhere.csv")
    for name, told in (("t.csv", "is a pipe, a socket or a device"), ("gone.csv", "a link that")):
        with pytest.raises(DataError, match=f"{name}' .*{told}"):
            scan_photos(tmp_path / name)


def test_strange_names_round_trip(tmp_path, make):
    names = [
        "😀.png",
        "caf\u00e9.png",
        "cafe\u0301.png",
        "\u202etxt.png",
        "two\nlines.png",
        "-rf.png",
        "<script>.png",
        "=cmd|' !A0.png",
        'a,b";c.png',
        " space .png",
        "line\u2028sep.png",
        os.fsdecode(b"\xff\xfe.png"),
    ]
    for seed, name in enumerate(names):
        make.photo(tmp_path / "-class ü" / name, seed, (24, 32))
    make.folder(tmp_path, {"b": 2}, 100)
    photos = scan_photos(tmp_path)
    found = {photo.path.name for photo in photos.photos if photo.label != "b"}
    assert found == set(names)
    assert all(photo.path.exists() for photo in photos.photos)
    assert photos.class_names == ("-class ü", "b")
    assert len(photos.digest()) == 64
    (tmp_path / os.fsdecode(b"\xff")).mkdir()
    with pytest.raises(DataError, match=r"class folder '.*\\udcff' is not valid UTF-8.*Rename"):
        scan_photos(tmp_path)


def test_groups_by_folder_and_by_pattern(tmp_path, make):
    for seed, name in enumerate(
        ("a/p1/x_s7.png", "a/p2/y/x_s8.png", "b/p1/x_s7.png", "b/p3/x_s9.png")
    ):
        make.photo(tmp_path / name, seed, (24, 32))
    assert [p.group for p in scan_photos(tmp_path, group_by="folder").photos] == [
        "p1",
        "p2",
        "p1",
        "p3",
    ]
    by_name = scan_photos(tmp_path, group_by=r"_(s\d)\.png$")
    assert [photo.group for photo in by_name.photos] == ["s7", "s8", "s7", "s9"]
    make.photo(tmp_path / "a" / "free.png", 9, (24, 32))
    with pytest.raises(DataError, match=r"1 of 5 photos lie in no folder .*'a/free\.png'"):
        scan_photos(tmp_path, group_by="folder")
    with pytest.raises(DataError, match="1 of 5 photos do not match the regular expression"):
        scan_photos(tmp_path, group_by=r"_(s\d)\.png$")
    (tmp_path / "a" / "free.png").write_bytes(b"damaged")
    loose = scan_photos(tmp_path, group_by=r"_(s\d)\.png$", max_unreadable_fraction=0.2)
    assert [photo.group for photo in loose.photos] == ["s7", "s8", "s7", "s9"]
    assert [left.path.name for left in loose.excluded] == ["free.png"]
    with pytest.raises(DataError, match="not a valid regular expression"):
        scan_photos(tmp_path, group_by="(")
    for wrong in ("part", r"(a)(b)"):
        with pytest.raises(DataError, match="exactly one group in parentheses"):
            scan_photos(tmp_path, group_by=wrong)


def test_facts_of_unusual_files(tmp_path, make):
    make.folder(tmp_path, {"a": 2, "b": 2})
    Image.new("CMYK", (80, 90), (1, 2, 3, 4)).save(tmp_path / "a" / "cmyk.jpg")
    Image.fromarray(make.texture(7).astype("uint16") * 16).save(tmp_path / "a" / "deep.png")
    frames = [Image.fromarray(make.texture(i)) for i in (1, 2, 3)]
    frames[0].save(tmp_path / "b" / "moves.gif", save_all=True, append_images=frames[1:])
    make.photo(tmp_path / "b" / "really_a.png", 3).rename(tmp_path / "b" / "named.jpg")
    facts = {photo.path.name: photo.facts for photo in scan_photos(tmp_path).photos}
    assert facts["cmyk.jpg"].mode == "CMYK"
    assert facts["deep.png"].bits == 16 and 2000 < facts["deep.png"].max_value <= 4080
    assert facts["moves.gif"].frames == 2  # more are not counted
    assert facts["named.jpg"].image_format == "PNG"


@pytest.fixture
def as_ordinary(tmp_path):
    """A folder, and what makes this process one that may not read everything, also of root's."""
    if os.geteuid():
        yield tmp_path, lambda: None
        return
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder), lambda: os.seteuid(65534)
        os.seteuid(0)


def test_folders_that_may_not_be_read_are_excluded(make, as_ordinary):
    folder, become_ordinary = as_ordinary
    root = make.folder(folder / "photos", {"a": 12, "b": 12})
    (root / "a" / "secret").mkdir(mode=0o000)
    become_ordinary()
    (excluded,) = scan_photos(root).excluded
    assert "the folder cannot be read" in excluded.reason


def test_photos_to_be_measured_on_may_be_few_and_of_one_class(tmp_path, make):
    make.folder(tmp_path, {"crack": 1})
    with pytest.raises(DataError, match="fewer than 2 readable photos"):
        scan_photos(tmp_path)
    assert len(scan_photos(tmp_path, for_training=False)) == 1


def test_a_saved_model_is_not_taken_for_photos(tmp_path, part_photos):
    shutil.copytree(part_photos, tmp_path / "1" / "golden")
    (tmp_path / "1" / "bundle.json").write_text("{}")

    for folder in (tmp_path, tmp_path / "1"):
        with pytest.raises(DataError, match="is a saved model.* Pass the folder of photos"):
            scan_photos(folder)


def test_processes_that_share_very_many_photos_find_what_one_finds(tmp_path, make, monkeypatch):
    make.folder(tmp_path / "photos", {"a": 5, "b": 4})
    (tmp_path / "photos" / "a" / "none.png").write_bytes(b"no photo")
    Image.new("L", (3000, 2000)).save(tmp_path / "photos" / "b" / "large.png")  # read by this one
    one = scan_photos(tmp_path / "photos", max_unreadable_fraction=0.5)
    monkeypatch.setattr(scan, "_VERY_MANY", 3)
    monkeypatch.setattr(scan, "_AT_A_TIME", 2)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    large, inspect = [], inspecting.inspect_photo
    monkeypatch.setattr(
        inspecting, "inspect_photo", lambda path, *a: large.append(path.name) or inspect(path, *a)
    )
    many = scan_photos(tmp_path / "photos", max_unreadable_fraction=0.5)
    assert many == one
    assert len(many.excluded) == 1
    assert large == ["large.png"]


def test_a_process_that_ends_while_it_reads_photos_is_told(tmp_path):
    with inspecting.Inspectors(1, DecodePolicy()) as one:
        one._all[0].kill()
        for _ in range(2):  # who comes next does not wait for it
            with pytest.raises(DataError, match="ended with exit code -9 between 'a' and 'b'"):
                one.inspect([Path("a"), Path("b")])
    with pytest.raises(DataError, match="ended with exit code -9"):
        one.inspect([Path("a")])
