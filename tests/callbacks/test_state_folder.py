"""States on the disk: complete or not there, whatever happens while one is written."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from kerasrecipes.callbacks.state.state_folder import StateFolder
from kerasrecipes.errors import DataError, IntegrityError

STATE = {"number": 0, "array": np.arange(50.0), "nested": [{"a": None, "b": [True, "x", -0.0]}]}


def filled(folder, count=3):
    states = StateFolder(folder)
    for number in range(count):
        states.write({**STATE, "number": number})
    return states


def test_states_come_back_bit_for_bit(tmp_path):
    from ml_dtypes import bfloat16

    state = {
        "floats": [0.1, float("nan"), float("inf"), -0.0, 10**30],
        "arrays": [np.float32(0.1), np.zeros((0, 2)), np.array(7), np.ones(3, bfloat16)],
        "numbers": [np.array([], bool), np.uint32([1, 2**32 - 1])],
    }
    StateFolder(tmp_path).write(state)
    found = StateFolder(tmp_path).read()
    assert repr(found["floats"]) == repr(state["floats"])
    for name in ("arrays", "numbers"):
        for one, other in zip(state[name], found[name], strict=True):
            assert type(one) is type(other) and one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)


def test_two_are_kept_and_nothing_half_written(tmp_path):
    (tmp_path / ".writing-old").write_bytes(b"from a process that was killed")
    filled(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"state-00000{n}.npz{seal}" for n in (2, 3) for seal in ("", ".sha256")
    ]


@pytest.mark.parametrize("damage", ["flip", "cut", "seal", "foreign"])
def test_a_damaged_state_is_noticed_and_the_one_before_is_used(tmp_path, damage, capsys):
    filled(tmp_path)
    last = tmp_path / "state-000003.npz"
    seal = tmp_path / "state-000003.npz.sha256"
    content = bytearray(last.read_bytes())
    if damage == "flip":
        content[200] ^= 1
        last.write_bytes(content)
    elif damage == "cut":
        last.write_bytes(content[:-1])
    elif damage == "seal":
        seal.unlink()
    else:
        np.savez(last, other=np.ones(3))
        seal.write_text(__import__("hashlib").sha256(last.read_bytes()).hexdigest())
    states = StateFolder(tmp_path)
    assert states.read()["number"] == 1
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("Warning: ") and "'state-000002.npz', is used" in said
    assert "state-000003.npz' is damaged" in said
    states.write({"number": 9})  # and the good one outlives the next write
    assert {p.name for p in tmp_path.glob("*.npz")} == {"state-000002.npz", "state-000004.npz"}


def test_if_all_are_damaged_nothing_begins_anew(tmp_path):
    filled(tmp_path)
    for path in tmp_path.glob("*.npz"):
        path.write_bytes(b"")
    with pytest.raises(IntegrityError, match=r"no state left .* state-000003.npz: its SHA-256 is"):
        StateFolder(tmp_path).read()


def test_a_state_of_a_newer_version_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("kerasrecipes.callbacks.state.state_folder.FORMAT", 99)
    filled(tmp_path, 1)
    monkeypatch.undo()
    with pytest.raises(DataError, match="format 99, .* reads up to 1. Upgrade"):
        StateFolder(tmp_path).read()


@pytest.mark.parametrize("value", [{1, 2}, {"$array": 1}, {1: 2}, object()])
def test_what_no_state_can_hold(tmp_path, value):
    with pytest.raises(TypeError, match=r"cannot hold a \w+ \(at 'a\[1\]'\)"):
        StateFolder(tmp_path).write({"a": [0, value]})
    assert not any(tmp_path.iterdir())


def test_a_full_disk_leaves_the_old_state(tmp_path, monkeypatch):
    states = filled(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device. Free some space, then resume: 's"):
        states.write(STATE)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="No state could be written in .* then try again"):
        StateFolder(tmp_path / "file" / "states").write({})


WRITER = """
import sys
import numpy as np
from kerasrecipes.callbacks.state.state_folder import StateFolder
states = StateFolder(sys.argv[1])
for number in range(10**6):
    states.write({"number": number, "array": np.full(200_000, number)})
"""


def test_killed_at_any_moment_a_complete_state_is_left(tmp_path, capsys):
    moments = np.random.default_rng(0).uniform(0, 0.03, 5)
    for moment in moments:
        writer = subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], env=os.environ)
        before = StateFolder(tmp_path)
        first = max(before._states(), default=0)
        while max(before._states(), default=0) < first + 3:
            time.sleep(0.005)
        time.sleep(moment)
        writer.kill()
        writer.wait()
        state = StateFolder(tmp_path).read()
        assert capsys.readouterr().err == ""
        assert (state["array"] == state["number"]).all()
    assert len(list(Path(tmp_path).glob("*.npz"))) <= 3
