"""Damaged JSON of every kind, in every file that is read: one line that names what is wrong."""

import copy
import hashlib
import io
import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from kerasrecipes.bundles.bundle import BundleFolder
from kerasrecipes.bundles.contract import Contract
from kerasrecipes.bundles.export_record import ExportRecord
from kerasrecipes.bundles.manifest import new_manifest, parse_manifest
from kerasrecipes.data.tables.rows import read_rows
from kerasrecipes.engine.devices.workers import worker_place
from kerasrecipes.engine.run_folder import RunFolder
from kerasrecipes.errors import DataError, KerasRecipesError
from kerasrecipes.evaluation import evaluate_scores
from kerasrecipes.optimization.search.record import Record as SearchRecord
from kerasrecipes.records import checked, parse_json
from kerasrecipes.report.run_report import DataReport, FreezeRow, RunReport, StageReport
from kerasrecipes.verify.changes import ClassChange, Flip
from kerasrecipes.verify.latency import Latency
from kerasrecipes.verify.tolerance import Tolerance
from kerasrecipes.verify.verification import Verification
from tiny_bundle import takes_and_gives

WRONG = ([], {}, None, "x", math.nan, -1, 10**400, True, ["\ud800"], {"x": {}}, [[]])
TEXTS = {
    "empty": b"",
    "cut": b'{"a": [1, 2',
    "list": b"[]",
    "null": b"null",
    "number": b"3",
    "text": b'"x"',
    "deep lists": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "deeper than a report": b"[" * 300 + b"]" * 300,
    "latin": '{"name": "é"}'.encode("latin-1"),
    "zeros": bytes(64),
    "twice": b'{"name": "a", "name": "b"}',
    "digits": b'{"n": ' + b"9" * 5000 + b"}",
    "infinite": b'{"n": 1e999}',
}


def report() -> RunReport:
    rng = np.random.default_rng(0)
    stage = StageReport(
        "head", 3, 2, 1, 1e-3, 200, 1000, [FreezeRow("stem", 2, 30, False)],
        {"loss": [1.0, math.nan], "val_loss": [2.0, math.inf]}, seconds=3.0,
    )  # fmt: skip
    evaluation = evaluate_scores(
        rng.integers(0, 2, 40), rng.dirichlet([1, 1], 40), ["good", "bad"], latency_ms=[1.0, 2.0]
    )
    return RunReport(
        "tiles", "2026-01-01T00:00:00+00:00", {"seed": 1},
        DataReport("photos", {"train": {"good": 3}}, {"train": "ab"}, 1, ["a leak"], {"train": 4}),
        [stage], {"val": evaluation}, {"val": {"f1": 0.5}}, [{"format": "tflite"}], ["mind"], False,
        {"fit": 1}, {"keras": "3"}, {"name": "x"}, {"EarlyStopping": {"best": 1}}, ["The probe."],
        [{"name": "prune", "summary": "Half went.", "before": {"val_accuracy": 0.9, "bytes": 9},
          "after": {"val_accuracy": 0.8, "bytes": 3}}],
    )  # fmt: skip


def verification() -> Verification:
    return Verification(
        "tflite-int8", 60, 1.0, 0.9, 0.9, 0.0, (-0.1, 0.1), 1e-3, 900, {1: Latency(1.0, 2.0, 9)},
        {"CONV_2D": 2}, 0.5, 0, Tolerance(), (), (-0.1, 0.1), 1, 2, 0.5,
        (ClassChange("good", 30, 0.8, 0.9, (-0.2, 0.0)),),
        (Flip("a", "good", "good", 1.0, "bad", 1.0),),
    )  # fmt: skip


def export_record() -> dict:
    record = ExportRecord("tflite", "int8", "model.tflite", "ab" * 32, 900, {"name": "tflite-int8"})
    return {**record.to_dict(), "decision": {"temperature": 2.0, "threshold": {"bad": 0.3}}}


def contract() -> dict:
    told = {"name": "photo", "shape": [8, 8, 3], "dtype": "uint8", "preparation": {"a": 1}}
    scores = {"name": "scores", "task": "classification", "class_names": ["a", "b"]}
    return {"modality": "photos", "input": told, "outputs": [scores], "version": 2}


CANDIDATE = {
    "model": "fitted", "quantization": "int8", "accuracy": 0.9, "drop": 0.0, "drop_error": 0.1,
    "drop_interval": [0.0, 0.1], "recalls": [0.9, None], "worst_class": "a", "worst_drop": 0.1,
    "size_bytes": 9, "latency_ms": 1.0, "latency_ratio": 1.0, "seconds": 1.0, "photos": 9,
    "agreement": 1.0, "model_accuracy": 0.9, "largest_gap": 0.1,
}  # fmt: skip


def read_export(content: bytes, folder: Path) -> str:
    return repr(ExportRecord.parse(content, folder / "tflite-int8"))


def read_run(content: bytes, folder: Path) -> None:
    (folder / "config.json").write_bytes(content)
    (folder / "environment.json").write_bytes(b"[]")
    RunFolder(folder, {"source": "here"}, resume=True).describe({"recipe": {"seed": 1}})


def read_table(content: bytes, folder: Path) -> object:
    (folder / "table.jsonl").write_bytes(content)
    return read_rows(folder / "table.jsonl")


def read_search(content: bytes, folder: Path) -> SearchRecord:
    try:
        return checked(SearchRecord, parse_json(content))
    except ValueError as error:  # the search names the file
        raise DataError(f"search.json: {error}") from error


def bundle_with(name: str, content: bytes, folder: Path) -> BundleFolder:
    """A bundle whose seals vouch for one file, whatever is in it."""
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(content)
    manifest = new_manifest(**{**MANIFEST, "sha256": {name: hashlib.sha256(content).hexdigest()}})
    return BundleFolder(folder, manifest)


def read_seen(content: bytes, folder: Path) -> object:
    # Some lines, and none of them empty, are what there is in such a file.
    return bundle_with("data.jsonl", content or b"\n", folder).seen()


def read_golden(content: bytes, folder: Path) -> object:
    file = io.BytesIO()
    none = np.zeros(0)
    names = np.array(content.decode("latin-1") + "\n")  # numpy drops zeros at the end
    np.savez(file, files=none, names=names, targets=none, answers=none)
    return bundle_with("golden/golden.npz", file.getvalue(), folder).golden()


MANIFEST = {
    **takes_and_gives((8, 8), ["bad", "good"]),
    "name": "tiles", "created": "2026-01-01T00:00:00", "recipe_type": "test", "recipe": {"a": 1},
    "counts": {"train": {"bad": 1}}, "excluded": 0, "golden_split": "test",
    "metrics": {"val": {"accuracy": 0.5}}, "seeds": {"seed": 0}, "versions": {"keras": "3"},
    "weights": {"name": "x"}, "optimization": [{"name": "prune"}], "sha256": {},
}  # fmt: skip

READERS = {
    "bundle.json": (
        parse_manifest,
        new_manifest(**MANIFEST).model_dump(mode="json"),
        "bundle.json|format",
    ),
    "data.jsonl": (read_seen, {"sha256": "ab", "label": None, "split": "val"}, "data.jsonl"),
    "golden.npz": (read_golden, ["a.png"], "golden.npz"),
    "report.json": (lambda c, _: str(RunReport.from_json(c)), report().to_dict(), "run report"),
    "verification": (
        lambda c, _: str(Verification.from_dict(parse_if_possible(c))),
        verification().to_dict(),
        "not a verification",
    ),
    "export.json": (read_export, export_record(), "export.json"),
    "contract": (lambda c, _: Contract.from_json(c, "a.tflite"), contract(), "a.tflite"),
    "config.json": (read_run, {"photos": {"source": "x"}, "recipe": {"seed": 1}}, "run in|config"),
    "search.json": (
        read_search,
        {"identity": {"a": "b"}, "candidates": [CANDIDATE], "seconds": 1.0, "pace": {"a": 1.0}},
        "search.json",
    ),
    "table.jsonl": (read_table, {"path": "a.png", "label": "good"}, "table.jsonl"),
}


def parse_if_possible(content: bytes) -> object:
    try:
        return parse_json(content)
    except ValueError as error:
        raise DataError(f"not a verification: {error}") from error


def places(values: object, where: tuple = ()) -> Iterator[tuple]:
    inside = values.items() if isinstance(values, dict) else enumerate(values)
    for key, value in inside:
        yield (*where, key)
        if isinstance(value, dict | list):
            yield from places(value, (*where, key))


def damaged(values: dict | list) -> Iterator[bytes]:
    """Replace each part by each wrong thing, and leave each out."""
    for *outer, last in places(values):
        for wrong in (*WRONG, None):
            copied = copy.deepcopy(values)
            part = copied
            for key in outer:
                part = part[key]
            part[last] = wrong
            yield json.dumps(copied).encode()
        del part[last]
        yield json.dumps(copied).encode()


@pytest.mark.parametrize("name", READERS)
def test_damage_of_every_kind_is_told_in_one_line(name, tmp_path):
    read, sound, called = READERS[name]
    try:
        read(json.dumps(sound).encode(), tmp_path)
    except DataError as error:
        assert "began with something else" in str(error)  # a run that is not this one
    told = 0
    for content in (*TEXTS.values(), *damaged(sound)):
        try:
            read(content, tmp_path)
        except KerasRecipesError as error:  # anything else is a fault of ours
            assert called.split("|")[0] in str(error) or called.split("|")[-1] in str(error)
            assert "\n" not in str(error) and "pydantic" not in str(error)
            told += 1
    assert told > 10


@pytest.mark.parametrize("text", [*(t.decode("latin-1") for t in TEXTS.values()), '{"task": []}'])
def test_other_words_of_the_environment_are_told(text, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text.replace("\0", ""))
    with pytest.raises(ValueError, match="TF_CONFIG to name at least 2 workers"):
        worker_place()


def test_what_parses_is_said_by_its_reason():
    for text, reason in (
        (b'{"a": 1, "a": 2}', "it has 'a' more than once"),
        (b"\xff", "not UTF-8 at byte 0"),
        (b"[" * 1000 + b"]" * 1000, "nested deeper than 200"),
        *(
            (before + b"9" * 30 + after, "a number of 3")
            for before, after in ((b"", b""), (b"[1,\n", b"]"), (b'{"n":', b"}"), (b"[-", b"]"))
        ),
        (b"[1,\n}", r"not valid JSON \(line 2: "),
    ):
        with pytest.raises(ValueError, match=reason):
            parse_json(text)
    assert parse_json('{"a": [1, 2.5, null, "\\ud83d\\ude00"]}') == {"a": [1, 2.5, None, "😀"]}
    with pytest.raises(ValueError, match=r"^`1`: Input should be a valid integer"):
        checked(list[int], [1, "x"])
    with pytest.raises(ValueError, match="^`stages.0` lacks 'name'$"):
        checked(RunReport, {"name": "a", "created": "b", "stages": [{}]})


def test_what_is_sound_comes_back_as_it_was():
    assert RunReport.from_json(report().to_json()) == report()
    assert (
        Verification.from_dict(json.loads(json.dumps(verification().to_dict()))) == verification()
    )
