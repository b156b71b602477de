"""Each fault that must not come back has tests, and these are there."""

import ast
from pathlib import Path

import pytest

from faults import FAULTS

TESTS = Path(__file__).parent.parent


def missing(tests: dict[str, str]) -> list[str]:
    """Return the tests that are not there, or would not run."""
    found = []
    for name, wanted in tests.items():
        path = TESTS / name
        tree = ast.parse(path.read_text()) if path.is_file() else ast.Module([], [])
        known = {
            node.name: any("mark.skip(" in ast.unparse(one) for one in node.decorator_list)
            for node in tree.body
            if isinstance(node, ast.FunctionDef)
        }
        found += [f"{name}::{one}" for one in wanted.split() if known.get(f"test_{one}", True)]
    return found


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_has_tests_that_run(fault):
    assert not missing(FAULTS[fault])


def test_a_test_that_was_renamed_is_missed():
    assert missing({"architecture/test_faults.py": "of_old", "no/test_file.py": "x"}) == [
        "architecture/test_faults.py::of_old",
        "no/test_file.py::x",
    ]
