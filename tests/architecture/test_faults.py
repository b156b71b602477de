"""Each fault that must not come back has tests, and these are there."""

import pytest

from faults import FAULTS, missing


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_has_tests_that_run(fault):
    assert not missing(FAULTS[fault])


def test_a_test_that_was_renamed_is_missed():
    assert missing({"architecture/test_faults.py": "of_old", "no/test_file.py": "x"}) == [
        "architecture/test_faults.py::of_old",
        "no/test_file.py::x",
    ]
