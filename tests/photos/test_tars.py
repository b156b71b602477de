"""Photos in tar files, as WebDataset writes them: scanned, checked and read where they lie."""

import io
import json
import tarfile

import numpy as np
import pytest
from PIL import Image

import kerasrecipes as kr
from kerasrecipes.data.tables.tars import members, tars_of
from kerasrecipes.errors import DataError
from kerasrecipes.photos.decoding.decode import decode_photo, read_bytes


def png(seed):
    file = io.BytesIO()
    noise = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((64, 48)).save(file, "PNG")
    return file.getvalue()


def write_tar(path, files, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            content = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


@pytest.fixture
def shards(tmp_path):
    """Two tar files with six photos each; the last one of the second is the first one again."""
    for shard in range(2):
        files = {}
        for i in range(6):
            seed = 0 if (shard, i) == (1, 5) else 10 * shard + i
            files |= {f"{shard}{i}.png": png(seed), f"{shard}{i}.cls": "ok\n" if i % 2 else "crack"}
            files[f"{shard}{i}.json"] = json.dumps({"group": f"part {shard}{i // 2}"})
        write_tar(tmp_path / f"{shard}.tar", files)
    return tmp_path


def test_they_are_scanned_where_they_lie(shards):
    photos = kr.scan_photos(shards / "*.tar")
    assert [(p.label, p.group) for p in photos.photos[:3]] == [
        ("crack", "part 00"), ("ok", "part 00"), ("crack", "part 01"),
    ]  # fmt: skip
    assert photos.photos[7].path == shards / "1.tar" / "11.png" and photos.photos[7].row == 8
    assert all(photo.content is None for photo in photos.photos) and len(photos.photos) == 12
    first = next(photos.each((48, 64, 3)))
    assert (first == np.asarray(Image.open(io.BytesIO(png(0))))).all()
    assert photos.file_of(0) == ("png", png(0))
    told = str(photos.check())
    assert "0.tar/00.png" in told and "1.tar/15.png" in told
    train, val, test = kr.split_photos(photos, test_fraction=0.3, val_fraction=0.3)
    sides = [{photo.group for photo in side.photos} for side in (train, val, test)]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 6


def test_one_file_a_table_and_a_path_into_it_are_read_alike(shards):
    one = kr.scan_photos(shards / "0.tar")
    (shards / "table.csv").write_text(
        "path,label\n" + "".join(f"0.tar/0{i}.png,{'ok' if i % 2 else 'crack'}\n" for i in range(6))
    )
    told = kr.scan_photos(shards / "table.csv")
    assert [p.key for p in told.photos] == [p.key for p in one.photos]
    assert (
        decode_photo(shards / "0.tar" / "03.png", (48, 64)) == list(one.each((48, 64, 3)))[3]
    ).all()
    (shards / "table.csv").write_text("path,label\n0.tar/09.png,ok\n")
    with pytest.raises(DataError, match=r"row 2 names '0.tar/09.png', which does not exist"):
        kr.scan_photos(shards / "table.csv")


def test_a_predictor_and_a_score_take_them(shards, exported_once, tmp_path):
    from kerasrecipes.scoring.listing import list_for

    predictor = kr.Predictor(exported_once)
    found = predictor.predict([shards / "0.tar", str(shards / "1.tar" / "13.png")])
    assert not any(one.error for one in found)
    assert [one.path.removeprefix(f"{shards}/") for one in found[5:]] == [
        "0.tar/05.png",
        "1.tar/13.png",
    ]
    assert len(predictor.predict(str(shards / "*.tar"))) == 12
    listing = list_for(predictor, shards / "*.tar")
    assert listing.base == shards and listing.names[6:8] == ["1.tar/10.png", "1.tar/11.png"]


def test_a_changed_file_is_read_anew_and_noticed(shards):
    photos = kr.scan_photos(shards / "0.tar")
    files = {"pad.cls": "x" * 2000} | {f"0{i}.png": png(50 + i) for i in range(6)}
    write_tar(shards / "0.tar", files)
    with pytest.raises(DataError, match="has changed since it was scanned"):
        next(photos.each((48, 64, 3)))
    assert read_bytes(shards / "0.tar" / "01.png") == png(51)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"a.jpg": png(0), "a.png": png(0), "a.cls": "x"},
            "has several files of one name: 'a.jpg'",
        ),
        ({"a.png": png(0), "a.json": "[1]"}, "a.json' cannot be read: it is no JSON object"),
        ({"a.png": png(0), "a.json": "{"}, "a.json' cannot be read: it is not valid JSON"),
        ({"a.png": png(0), "a.cls": "x" * (1 << 20) + "x"}, "is larger than 1,048,576 bytes"),
        ({"a.cls": "x"}, "row 1 has no path|no column 'path'"),
        ({}, "has no rows"),
    ],
)
def test_what_cannot_be_meant_is_told(files, message, tmp_path):
    with pytest.raises(DataError, match=message):
        kr.scan_photos(write_tar(tmp_path / "a.tar", files))


def test_files_that_are_no_tar_files_are_told(shards):
    whole = (shards / "0.tar").read_bytes()
    packed = write_tar(shards / "packed.tar", {"a.png": png(0)}, "w:gz")
    (shards / "text.tar").write_text("no tar file " * 100)
    (shards / "cut.tar").write_bytes(whole[: len(whole) // 2 + 100])
    for path in (packed, shards / "text.tar", shards / "cut.tar"):
        with pytest.raises(DataError, match="is no tar file that can be read.*must be unpacked"):
            kr.scan_photos(path)
    with tarfile.open(shards / "twice.tar", "w") as archive:
        for _ in range(2):
            archive.addfile(tarfile.TarInfo("a.png"))
        link = tarfile.TarInfo("b.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with pytest.raises(DataError, match="has 'a.png' more than once"):
        members(shards / "twice.tar")
    assert tars_of(shards / "none*.tar") == [] and tars_of(shards) == []
    with pytest.raises(DataError, match="cannot be read: not a directory"):
        decode_photo(shards / "0.tar" / "none.png", (8, 8))
