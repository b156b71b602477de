"""The page of features names tests, public names and commands that are there."""

import re
from pathlib import Path

import pytest
import typer.main

import kerasrecipes
from faults import missing
from kerasrecipes.cli import app

PAGE = Path(__file__).parents[2] / "docs" / "features.md"
# Of each row: its number, what it says of itself, how it is used, and its tests.
ROWS = re.findall(r"^\| (\d+) \| .+ \| (.+) \| (.+) \| (.+) \|$", PAGE.read_text("utf-8"), re.M)


@pytest.mark.parametrize(("number", "state", "how", "tests"), ROWS, ids=[row[0] for row in ROWS])
def test_a_feature_is_used_as_told_and_tested(number, state, how, tests):
    assert state in {"whole", "part", "missing"}
    named = re.findall(r"`([\w/.]+)::(\w+)`", tests)
    assert named or state == "missing"
    for file, test in named:
        assert not missing({file: test})
    for room, name in re.findall(r"\bkr\.(?:([a-z_]+)\.)?(\w+)", how):
        assert name in getattr(kerasrecipes, room, kerasrecipes).__all__
    verbs = typer.main.get_command(app).commands
    for verb, rest in re.findall(r"`kerasrecipes ([\w-]+)([^`]*)`", how):
        options = {option for one in verbs[verb].params for option in one.opts}
        assert set(re.findall(r"--[\w-]+", rest)) <= options


def test_no_row_is_passed_over():
    assert [int(row[0]) for row in ROWS] == list(range(1, 101))
