"""Texts from tables and folders: what is found, left out, refused, and told with its row."""

import warnings
from dataclasses import replace

import pytest

from kerasrecipes import DataError, check_texts, scan_texts, split_texts
from tiny_bert import draw_texts, write_table

ROWS = draw_texts(12)


def table(folder, text, name="t.csv", encoding="utf-8"):
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize(
    "name, content, encoding",
    [
        ("t.csv", "text,label\n{}", "utf-8-sig"),
        ("t.tsv", "text\tlabel\n{}", "utf-8"),
        ("t.csv", "Message;Label\n{}", "utf-8"),
    ],
)
def test_tables_of_all_kinds_give_the_same_texts(tmp_path, name, content, encoding):
    delimiter = next(one for one in "\t;," if one in content)
    body = "\n".join(f'"{text}"{delimiter}{label}' for label, text in ROWS)
    found = scan_texts(table(tmp_path, content.format(body), name, encoding))
    assert [(one.label, one.text) for one in found.texts] == ROWS
    assert [one.row for one in found.texts] == list(range(2, 14))


def test_a_folder_with_a_file_for_each_text(tmp_path):
    for number, (label, text) in enumerate(ROWS):
        (tmp_path / label).mkdir(exist_ok=True)
        (tmp_path / label / f"{number:02}.txt").write_text(text, encoding="utf-8")
    (tmp_path / "card" / "blank.txt").write_text(" \n")
    (tmp_path / "card" / "notes.md").write_text("no text")
    found = scan_texts(tmp_path)
    assert sorted((one.label, one.text) for one in found.texts) == sorted(ROWS)
    assert [(one.path.name, one.reason) for one in found.excluded] == [("blank.txt", "is blank")]
    assert "no .txt file" in str(check_texts(found))
    with pytest.raises(ValueError, match="`label` names columns of a table, and .* is a folder"):
        scan_texts(tmp_path, label="x")


def test_blank_texts_are_left_out_with_their_rows(tmp_path):
    path = write_table(tmp_path / "t.jsonl", [*ROWS, ("card", "  "), ("card", None)])
    found = scan_texts(path, max_unreadable_fraction=0.2)
    assert [(one.row, one.reason) for one in found.excluded] == [(13, "is blank"), (14, "is blank")]
    assert "2 texts cannot be used" in str(check_texts(found))
    with pytest.raises(DataError, match="2 of 14 texts .* row 13 is blank; row 14 is blank"):
        scan_texts(path)


@pytest.mark.parametrize(
    "content, encoding, told",
    [
        ("text,label\ncafé,a\nthe,b", "latin-1", "row 2 has a text that is not UTF-8"),
        ("text,label\nthe,a", "utf-16", "is not UTF-8 .*UTF-16"),
        ("body,comment,label\nx,y,a", "utf-8", "several that could hold texts: 'body', 'comment'"),
        ("what,label\nx,a", "utf-8", "no column 'text', and none that holds texts; .*text="),
        ("text,label\nthe,\nmy,b", "utf-8", "row 2 has no label"),
        ("text,label\na, b,c\nmy,b", "utf-8", "row 2 has 3 cells .*quote a text that has a comma"),
        ("text\nthe\nmy", "utf-8", "needs the column text and one of label"),
        ("text,label", "utf-8", "has no rows. Add one row per text"),
    ],
)
def test_what_is_wrong_with_a_table_is_told(tmp_path, content, encoding, told):
    with pytest.raises(DataError, match=told):
        scan_texts(table(tmp_path, content, encoding=encoding))


def test_columns_are_named(tmp_path):
    rows = [("s", label, text, str(i % 4)) for i, (label, text) in enumerate(ROWS)]
    path = write_table(tmp_path / "t.jsonl", rows, ("subject", "intent", "body", "customer"))
    found = scan_texts(path, text="subject", label="intent", group_by="customer")
    assert {one.text for one in found.texts} == {"s"} and found.groups[:2] == ["0", "1"]
    assert [one.text for one in scan_texts(path, label="intent").texts] == [t for _, t in ROWS]
    with pytest.raises(DataError, match="`text`: .* no column 'bodi'. Did you mean 'body'"):
        scan_texts(path, text="bodi", label="intent")


def test_labels_and_numbers(tmp_path):
    rows = [("a|b" if i % 2 else "", text) for i, (_, text) in enumerate(ROWS)]
    several = scan_texts(write_table(tmp_path / "l.jsonl", rows, ("labels", "text")))
    assert several.target == "labels" and several.texts[1].label == ("a", "b")
    numbers = [(i, text) for i, (_, text) in enumerate(ROWS)]
    found = scan_texts(write_table(tmp_path / "n.jsonl", numbers, ("value", "text")))
    assert found.target == "number" and found.texts[3].label == 3.0


def test_labels_that_differ_in_spelling_are_told(tmp_path, capsys):
    rows = [(label.upper() if i == 0 else label, text) for i, (label, text) in enumerate(ROWS)]
    path = write_table(tmp_path / "t.jsonl", [*rows, ("CARD", "my lost card")])
    scan_texts(path)
    told = capsys.readouterr().err
    assert "written in several ways" in told and "'CARD' (rows 1, 13)" in told


def test_a_class_that_is_small_by_its_spelling_is_told_so(tmp_path):
    rows = ["label,text", *(f"late,my parcel {i} is late" for i in range(4)), "LATE,it is late"]
    rows += [f"lost,parcel {i} was lost" for i in range(4)]
    told = r"'LATE' \(1\)\. .* Or are some of them the same, .* \('LATE', 'late'\)\?"
    with pytest.raises(DataError, match=told):
        scan_texts(table(tmp_path, "\n".join(rows)))


def test_a_split_keeps_near_duplicates_together(tmp_path):
    same = "why is my transfer still pending today please help"
    copies = [("money", f"{same}{end}") for end in ("!", "?", "", "!!", "??", "?!")]
    found = scan_texts(write_table(tmp_path / "t.jsonl", [*ROWS, *draw_texts(24, 1), *copies]))
    train, val, test = split_texts(found)
    sides = [{one.text.rstrip("!?") for one in side.texts} for side in (train, val, test)]
    assert sum(same in texts for texts in sides) == 1
    copy = next(one for one in test.texts if one.text.rstrip("!?") != same)
    twin = replace(copy, text=f"{copy.text.upper()}!")
    apart = train.with_items([*train.texts, twin])
    report = check_texts(apart, val, test)
    assert [leak.code for leak in report.leaks] == ["near-duplicates-across-splits"]
    assert "pair of texts that look the same" in str(report)
    assert not check_texts(train, val, test).leaks


def test_a_split_by_time_and_its_refusals(tmp_path):
    rows = [(label, text, f"2026-01-{i + 1:02}") for i, (label, text) in enumerate(ROWS)]
    dated = scan_texts(write_table(tmp_path / "t.jsonl", rows, ("label", "text", "time")))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        train, _, test = split_texts(dated, split_by="time")
    assert max(one.time for one in train.texts) < min(one.time for one in test.texts)
    plain = scan_texts(write_table(tmp_path / "p.jsonl", ROWS))
    with pytest.raises(DataError, match="12 of 12 texts have no group"):
        split_texts(plain, split_by="group")
    with pytest.raises(ValueError, match="See all with split_texts|Choose from"):
        split_texts(plain, split_by="magic")


def test_damaged_long_and_empty_texts_are_found(tmp_path):
    rows = [*ROWS, ("card", "Ã¼ber my card"), ("card", "12 34"), ("card", "card " * 500)]
    found = check_texts(scan_texts(write_table(tmp_path / "t.jsonl", rows)))
    codes = {finding.code: finding.examples for finding in found.findings}
    assert codes["garbled"] == ("row 13",)
    assert codes["without-words"] == ("row 14",)
    assert codes["long"] == ("row 15",)
    assert "photo" not in str(found)


@pytest.mark.parametrize("how", [{"text": "label"}, {"text": ("label", "text")}])
def test_a_column_of_answers_is_no_column_of_texts(tmp_path, how):
    body = "\n".join(f"{text},{label}" for label, text in ROWS)
    with pytest.raises(DataError, match="The column 'label' of .* cannot be both"):
        scan_texts(table(tmp_path, f"text,label\n{body}"), **how)
