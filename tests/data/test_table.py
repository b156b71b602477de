"""CSV and JSONL tables: what is tolerated, and rows that are named when they are wrong."""

import json
import os
import unicodedata
from datetime import UTC, datetime

import pytest

from kerasrecipes.errors import DataError
from kerasrecipes.photos.scan import scan_photos


@pytest.fixture
def folder(tmp_path, make):
    for i in range(6):
        make.photo(tmp_path / "img" / f"{i}.png", i, (24, 32))
    return tmp_path


def rows(*labels):
    return "".join(f"img/{i}.png,{label}\n" for i, label in enumerate(labels))


def write(folder, text, name="t.csv", encoding="utf-8"):
    path = folder / name
    path.write_bytes(text.encode(encoding, "surrogateescape"))
    return path


def test_all_columns_a_bom_and_a_sloppy_header(folder):
    text = "\ufeff Path , LABEL,Group, time ,split\r\n"
    for i, side in enumerate(("train", "Train", "VAL", "valid", "test", "test")):
        text += f'"img/{i}.png", c{i % 2},g{i // 2},2026-01-0{i + 1}T10:00:00Z,{side}\r\n'
    photos = scan_photos(write(folder, text)).photos
    assert [photo.label for photo in photos] == ["c0", "c1"] * 3
    assert [photo.group for photo in photos] == ["g0", "g0", "g1", "g1", "g2", "g2"]
    assert [p.split for p in photos] == ["train", "train", "val", "val", "test", "test"]
    assert photos[2].time == datetime(2026, 1, 3, 10, tzinfo=UTC)
    assert photos[0].path == folder / "img" / "0.png"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiters_and_absolute_paths(folder, delimiter):
    text = f"label{delimiter}path\n"
    text += "".join(f"{'ab'[i % 2]}{delimiter}{folder}/img/{i}.png\n" for i in range(6))
    assert scan_photos(write(folder, text)).counts() == {"a": 3, "b": 3}


def test_jsonl(folder):
    lines = [{"path": f"img/{i}.png", "label": i % 2, "group": None} for i in range(6)]
    path = write(folder, "\n\n".join(map(json.dumps, lines)), "t.jsonl")
    assert scan_photos(path).counts() == {"0": 3, "1": 3}
    for text, message in (
        ("{}\n[1]\nx", "row 2 is not a JSON object; row 3 cannot be read: it is not valid JSON"),
        ('{"path": "img/0.png", "label": NaN}', "row 1 has no label"),
        ('{"path": "img/0.png", "label": ["a"]}', "row 1 holds list where text is expected"),
    ):
        with pytest.raises(DataError, match=message):
            scan_photos(write(folder, text, "t.jsonl"))


def test_strange_names_round_trip_through_a_table(tmp_path, make):
    names = [
        "😀.png",
        "two\nlines.png",
        'a,b"c.png',
        "line\u2028sep.png",
        "=cmd.png",
        os.fsdecode(b"\xff\xfe.png"),
    ]
    text = "path,label\n"
    for seed, name in enumerate(names):
        make.photo(tmp_path / name, seed, (24, 32))
        text += '"' + name.replace('"', '""') + f'",{"ab"[seed % 2]}\n'
    assert [p.path.name for p in scan_photos(write(tmp_path, text)).photos] == names


def test_groups_by_another_column_or_pattern(folder):
    table = write(
        folder,
        "path,label,part\n" + "".join(f"img/{i}.png,{'ab'[i % 2]},p{i // 2}\n" for i in range(6)),
    )
    assert [p.group for p in scan_photos(table, group_by="Part").photos][::2] == ["p0", "p1", "p2"]
    assert scan_photos(table, group_by=r"(\d)").photos[3].group == "3"
    assert scan_photos(table, group_by="folder").photos[3].group == "img"
    with pytest.raises(DataError, match=r"no column 'prat'. Did you mean 'part'\?"):
        scan_photos(table, group_by="prat")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no rows"),
        ("path,label\n", "has no rows"),
        ("path,lable\nx,y\n", "no column 'label'; it has 'path', 'lable'. Rename 'lable' if you"),
        ("file,label\nx,y\n", "no column 'path'; it has 'file', 'label'. A table needs"),
        ("path,label,groups\nx,y,z\n", "column 'groups' that means nothing here. .*'group'"),
        ("path,label,label\nx,y,z\n", "the column 'label' more than once"),
        ('path,label\n"x,y\n', "not valid CSV.*Check its quotes"),
        (
            "path,label\nimg/0.png,\nimg/1.png, nan\n",
            "2 rows are wrong: row 2 has no label .* row 3",
        ),
        ("path,label\n,a\n", "1 row is wrong: row 2 has no path"),
        ("path,label\nno.png,a\n", "row 2 names 'no.png', which does not exist"),
        ("path,label\nimg,a\n", "row 2 names 'img', which is not a file"),
        ("path,label\n/dev/zero,a\n", "which is not a file"),
        ("path,label\nimg/0.png,a,b\n", "row 2 has 3 cells under 2 columns .*quote a path"),
        ("path,label\nimg/0.png,a\n./img/0.png,b\n", "row 3 names the same file as row 2"),
        ("path,label,split\nimg/0.png,a,dev\n", "row 2 has the split 'dev', which is not train"),
        ("path,label,split\nimg/0.png,a,\nimg/1.png,a,val\n", "row 2 has no split, while other"),
        ("path,label,time\nimg/0.png,a,1.2.26\n", "row 2 has the time '1.2.26', which is not ISO"),
        (
            "path,label,time\nimg/0.png,a,2026-01-01\nimg/1.png,a,2026-01-01T00:00Z\n",
            "row 2 has a time without a time zone",
        ),
    ],
)
def test_wrong_tables_name_the_rows(folder, text, message):
    with pytest.raises(DataError, match=f"(?s){message}"):
        scan_photos(write(folder, text))


def test_up_to_five_rows_are_shown(folder):
    text = "path,label\n" + "\n".join(f"no{i}.png,a" for i in range(8))
    with pytest.raises(DataError, match=r"8 rows are wrong: .*row 6 .*; and 3 more"):
        scan_photos(write(folder, text))


def test_blank_lines_count_as_rows(folder):
    with pytest.raises(DataError, match="row 4 has no label"):
        scan_photos(write(folder, "path,label\nimg/0.png,a\n\nimg/1.png,\n"))


def test_other_encodings_are_named(folder):
    with pytest.raises(DataError, match="looks like UTF-16"):
        scan_photos(write(folder, "path,label\n" + rows("a"), encoding="utf-16"))
    with pytest.raises(DataError, match="looks like UTF-16"):
        scan_photos(write(folder, "path,label\n" + rows("a"), encoding="utf-16-le"))
    with pytest.raises(DataError, match="holds a NUL in line 2, as damaged files do"):
        scan_photos(write(folder, "path,label\n" + rows("a\0")))
    with pytest.raises(DataError, match="row 2 has a label that is not UTF-8"):
        scan_photos(write(folder, "path,label\n" + rows("\u00e9"), encoding="latin-1"))
    with pytest.raises(DataError, match="row 2 has a group that is not UTF-8"):
        scan_photos(write(folder, "path,label,group\nimg/0.png,a,\u00e9\n", encoding="latin-1"))


def test_files_that_are_no_text_are_named(folder):
    for beginning, what in ((b"PK\x03\x04\x14\0\6", "spreadsheet"), (b"\x1f\x8b\x08", "gzip")):
        (folder / "table.csv").write_bytes(beginning + bytes(40))
        with pytest.raises(DataError, match=f"is a.* {what}.*, whatever its name .* 'CSV UTF-8'"):
            scan_photos(folder / "table.csv")


@pytest.mark.parametrize("first", ["sep=;\n", "SEP=;\r\n", '"sep=;"\n', "sep=\t\n", "sep=|\n"])
def test_the_line_that_spreadsheets_put_first_names_the_separator(folder, first):
    separator = first.strip('"\r\n')[-1]
    said = ("path,label\n" + rows("a, x", "b", "a, x", "b")).replace(",", separator, 1)
    said = said.replace(".png,", f".png{separator}")
    assert scan_photos(write(folder, first + said)).class_names == ("a, x", "b")


def test_names_in_another_spelling_are_recognised(folder, make):
    for name in ("café.png", "straße.png", os.fsdecode("sé.png".encode("latin-1"))):
        make.photo(folder / "img" / name, 1, (24, 32))
    accents = unicodedata.normalize("NFD", "img/café.png")
    for name, encoding, told in (
        (accents, "utf-8", "accents composed otherwise"),
        ("img\\café.png", "utf-8", "separated by /, not by"),
        ("img/straße.png", "cp1252", "the table is in cp1252, not in UTF-8"),
        ("img/straße.png".encode().decode("cp1252"), "utf-8", "was read as cp1252 and saved"),
        ("img/sé.png", "utf-8", "the folder's names are in cp1252"),
    ):
        text = f"path,label\n{name},a\n"
        with pytest.raises(DataError, match=f"row 2 names .*, which does not exist; .*{told}") as e:
            scan_photos(write(folder, text, encoding=encoding))
        assert str(e.value).endswith(", and 'img/" + str(e.value).rpartition("/")[2])
    with pytest.raises(DataError, match="not exist; it is not UTF-8: save the table as UTF-8"):
        scan_photos(write(folder, "path,label\nö.png,a\n", encoding="latin-1"))


def test_an_unreadable_photo_keeps_its_row(folder):
    (folder / "img" / "9.jpg").write_bytes(b"")
    table = write(folder, "path,label\n" + rows(*"ababab") + "img/9.jpg,a\n")
    (excluded,) = scan_photos(table, max_unreadable_fraction=0.5).excluded
    assert (excluded.row, excluded.reason) == (8, "empty file")


def test_a_table_without_photos_of_a_second_class(folder):
    with pytest.raises(DataError, match="has only one class: 'a'"):
        scan_photos(write(folder, "path,label\n" + rows("a", "a")))
