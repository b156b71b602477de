"""Tables stay in line in a terminal."""

from kerasrecipes.statistics.tables import Table, align_columns


def test_a_table_lines_up_and_cuts_long_names_only():
    rows = (("日本", "7"), ("a" * 40, "b" * 40))
    lines = Table("Title", ("class", "n"), rows, right=(1,)).lines()
    assert lines[0] == "class" + " " * 64 + "n"
    assert lines[1] == "─" * 28 + "  " + "─" * 40
    assert lines[2] == "日本" + " " * 65 + "7"
    assert lines[3] == "a" * 27 + "…  " + "b" * 40
    assert "Title" not in "".join(lines)


def test_names_cannot_break_a_table():
    lines = Table("", ("class",), (("a\nb\u202e",),)).lines()
    assert lines[2] == r"a\nb\u202e"


def test_columns_are_two_spaces_apart():
    assert align_columns([("a", "bb", ""), ("aaa", "b", "c")], right={1}) == [
        "a    bb",
        "aaa   b  c",
    ]
