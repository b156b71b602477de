"""Time and memory of a file in a process of its own."""

import importlib
import sys

import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes import VerificationError, export
from kerasrecipes.export import ExportFormat, footprint, get_format
from kerasrecipes.export.footprint import measure_footprint
from tiny_bundle import contract_of

# What the new process is told.
ASKED = ("kerasrecipes.export.tflite.tflite:load", "ai_edge_litert.interpreter")
A_FORMAT = """
import numpy as np

class Numbers:
    shape, dtype, outputs = (2,), "float32", {"sum": 1}

    def __init__(self, path, threads=1):
        self.weights = np.load(path)

    def __call__(self, inputs):
        return {"sum": inputs.sum(axis=1, keepdims=True)}
"""


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A file of 8 MB that keeps one constant: its weights are most of what it needs."""
    import keras
    from keras import layers

    photo = keras.Input((8, 8, 3))
    x = layers.Dense(2000, activation="relu")(layers.Flatten()(photo))
    x = layers.Dense(800, activation="relu")(x)
    model = keras.Model(photo, layers.Dense(2, activation="softmax")(x))
    path = tmp_path_factory.mktemp("large") / "model.tflite"
    return get_format("tflite").write(model, path, contract=contract_of(["a", "b"]))


def test_memory_is_that_of_the_file_alone(large, exported_once):
    """Not of this process, which has held far more: a child inherits the parent's peak."""
    held = np.ones(60_000_000 // 8)
    small = measure_footprint(exported_once.exports()["tflite-float32"].path, "tflite")
    big = measure_footprint(large, "tflite")
    size = large.stat().st_size
    assert size > 7_000_000
    assert size < big.memory_bytes < 6 * size
    assert small.memory_bytes < size and small.load_ms > 0
    assert held.any()


def test_the_process_imports_the_runtime_and_nothing_heavy(exported_once, monkeypatch, capsys):
    import subprocess

    path = exported_once.exports()["tflite-float32"].path
    code = (
        "from kerasrecipes.export.footprint import report_footprint; report_footprint()\n"
        "import sys; heavy = {'tensorflow', 'keras', 'PIL', 'sklearn', 'pydantic'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    command = [sys.executable, "-c", code, *ASKED, str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_file_that_cannot_run_is_an_error(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"\0" * 100)
    with pytest.raises(VerificationError, match="cannot be loaded and run in a process of its own"):
        measure_footprint(path, "tflite")


def test_a_file_that_takes_forever_is_an_error(exported_once, monkeypatch):
    monkeypatch.setattr("kerasrecipes.export.child._SECONDS", 0.01)
    with pytest.raises(VerificationError, match="it took more than 0.01 seconds"):
        measure_footprint(exported_once.exports()["tflite-float32"].path, "tflite")


def test_memory_is_left_out_where_the_system_does_not_tell(exported_once, monkeypatch, capsys):
    path = exported_once.exports()["tflite-float32"].path
    monkeypatch.setattr(footprint, "_memory", lambda field: None)
    monkeypatch.setattr(sys, "argv", ["-c", *ASKED, str(path)])
    footprint.report_footprint()
    assert '"memory_bytes": null' in capsys.readouterr().out


def test_a_crash_stays_in_its_own_process(exported_once, tmp_path, monkeypatch):
    from kerasrecipes.export.child import measure_alone

    with pytest.raises(VerificationError, match="'x.tflite' cannot .* it was ended by signal 6"):
        measure_alone("os", "abort", "x.tflite")


def test_a_format_that_was_registered_is_measured_as_any_other(tmp_path, monkeypatch):
    (tmp_path / "numbers_format.py").write_text(A_FORMAT, encoding="utf-8")
    np.save(tmp_path / "model.npy", np.ones(2_000_000, np.float32))
    monkeypatch.syspath_prepend(tmp_path)
    load = importlib.import_module("numbers_format").Numbers
    told = dict.fromkeys(("write", "inspect", "read_contract"), print)
    kr.register_format(ExportFormat("numbers", ".npy", ("float32",), "numbers", load=load, **told))
    try:
        found = measure_footprint(tmp_path / "model.npy", "numbers")
        assert found.load_ms > 0 and 7_000_000 < found.memory_bytes < 24_000_000
        monkeypatch.undo()
        here = measure_footprint(tmp_path / "model.npy", "numbers")
        assert here.load_ms > 0 and here.memory_bytes is None
    finally:
        del export._REGISTRY.added["numbers"], sys.modules["numbers_format"]
