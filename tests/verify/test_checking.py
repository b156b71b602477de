"""Verification of exported files on held-out photos, from the bundle alone."""

import dataclasses
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from kerasrecipes.errors import DataError, IntegrityError, VerificationError
from kerasrecipes.export import GraphFacts, get_format
from kerasrecipes.verify import Tolerance, Verification, verify_bundle, verify_export
from tiny_bundle import contract_of


@pytest.fixture
def swapped(monkeypatch):
    """Let the format answer with something else: `swapped(load=..., inspect=...)`."""

    def swap(**changes):
        changed = dataclasses.replace(get_format("tflite"), **changes)
        monkeypatch.setattr("kerasrecipes.verify.checking.get_format", lambda name: changed)

    return swap


class Answers:
    """Stands for a loaded file that answers with given scores, one row per call."""

    shape, dtype, outputs = (32, 32, 3), "uint8", {"scores": 3}

    def __init__(self, scores):
        self.rows = iter(np.asarray(scores, np.float32))

    def __call__(self, photos):
        return {"scores": np.stack([next(self.rows) for _ in photos])}


def test_numbers_of_a_good_export(exported_once):
    found = verify_export(exported_once, "tflite-int8")
    golden = exported_once.golden()
    assert found.passed and found.failures == ()
    assert found.photos == len(golden.files) == 60
    assert found.reference_accuracy == np.mean(golden.answers.argmax(1) == golden.targets)
    assert found.agreement >= 0.95
    assert found.accuracy_difference == pytest.approx(found.accuracy - found.reference_accuracy)
    low, high = found.difference_interval
    assert low <= found.accuracy_difference <= high and low < high
    assert 0 < found.mean_gap < found.largest_gap < 0.2 and found.mean_gap < 0.02
    assert found.size_bytes == exported_once.exports()["tflite-int8"].size_bytes
    assert set(found.latency) == {1, 2}
    assert all(0 < one.median_ms <= one.p95_ms for one in found.latency.values())
    assert found.ops["CONV_2D"] == 2 and found.non_builtin_ops == 0
    assert found.int8_fraction > 0.6


def test_float_export_is_nearly_exact(exported_once):
    found = verify_export(exported_once, "tflite-float32")
    assert found.agreement == 1.0 and found.largest_gap < 1e-4 and found.int8_fraction == 0
    assert found.tolerance.max_score_gap == 1e-3


def test_table_is_readable(exported_once):
    text = str(verify_export(exported_once, "tflite-int8"))
    assert text.startswith("tflite-int8: verified\n")
    for words in ("of 60 photos", "95 % interval", "MB", "latency, 2 threads", "non-built-in ops"):
        assert words in text


def test_goes_through_json(exported_once):
    found = verify_export(exported_once, "tflite-int8", tolerance=Tolerance(max_score_gap=0.0))
    assert Verification.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    assert "FAILED: the largest score gap" in str(found)


@pytest.mark.parametrize("values", [{}, {"name": "x"}, {"tolerance": 3}])
def test_other_json_is_refused(values):
    with pytest.raises(DataError, match=r"This is not a verification: .* Verify the bundle again"):
        Verification.from_dict(values)


def test_another_model_fails_and_names_the_numbers(exported_once, swapped):
    scores = np.roll(exported_once.golden().answers, 1, axis=1)
    swapped(load=lambda path: Answers(scores))
    found = verify_export(exported_once, "tflite-int8")
    assert not found.passed and found.agreement == 0.0
    assert found.failures[0] == "top-1 agreement 0.0000 on 60 photos is below 0.95"
    assert found.failures[1].startswith(f"accuracy drops by {found.reference_accuracy:.4f}, from ")
    assert found.failures[1].endswith("to 0.0000, more than 0.02")


def test_scores_that_move_fail_though_the_answers_are_the_same(exported_once, swapped):
    softened = exported_once.golden().answers ** 0.1
    softened /= softened.sum(axis=1, keepdims=True)
    swapped(load=lambda path: Answers(softened))
    found = verify_export(exported_once, "tflite-int8")
    assert found.agreement == 1.0 and found.accuracy_difference == 0
    gap = np.abs(softened - exported_once.golden().answers).max(axis=1).mean()
    assert found.mean_gap == pytest.approx(gap, rel=1e-6) and gap > 0.1
    assert found.failures == (
        f"scores move by {gap:.3g} on average, also where the answer is the same, which is above "
        "0.1",
    )


def test_nan_fails(exported_once, swapped):
    scores = exported_once.golden().answers.copy()
    scores[:2, 1] = np.nan
    swapped(load=lambda path: Answers(scores))
    found = verify_export(exported_once, "tflite-float32")
    assert "2 of 60 photos are answered with NaN or infinity" in found.failures
    assert np.isfinite(found.largest_gap)
    json.loads(json.dumps(found.to_dict(), allow_nan=False))


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        (GraphFacts({"FlexErf": 2}, ("FlexErf", "FlexErf")),
         "needs 2 operators that are not built in: 'FlexErf'"),
        (GraphFacts({"VAR_HANDLE": 2}, empty_weights=2), "reads 2 weights that it does not hold"),
    ],
)  # fmt: skip
def test_incomplete_files_are_refused_before_they_run(exported_once, swapped, facts, message):
    swapped(inspect=lambda path: facts, load=lambda path: pytest.fail("it was opened"))
    with pytest.raises(VerificationError, match=f"'tflite-float32' is no complete.*it {message}"):
        verify_export(exported_once, "tflite-float32")


def test_recorded_tolerance_is_used_again(bundle):
    limits = Tolerance(min_agreement=0.5, max_accuracy_drop=0.5)
    bundle.export("tflite", "float16", tolerance=limits)
    assert verify_bundle(bundle.folder)[0].tolerance == limits


def test_bundle_alone_is_enough(exported_once):
    found = verify_bundle(exported_once.folder.parent)
    assert [one.name for one in found] == ["tflite-float32", "tflite-int8"]
    assert all(one.passed for one in found)


def test_needs_no_tensorflow(exported_once):
    code = (
        "import sys\n"
        "from kerasrecipes.verify import verify_bundle, benchmark_export\n"
        f"found = verify_bundle({str(exported_once.folder)!r})\n"
        "assert len(found) == 2 and all(one.passed for one in found)\n"
        "loaded = {'tensorflow', 'keras', 'sklearn', 'matplotlib'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_changed_file_never_reaches_the_runtime(exported, swapped):
    swapped(
        load=lambda path: pytest.fail("a changed file was opened"),
        inspect=lambda path: pytest.fail("a changed file was parsed"),
        read_contract=lambda path: pytest.fail("a changed file was parsed"),
    )
    path = exported.exports()["tflite-int8"].path
    content = path.read_bytes()
    rng = np.random.default_rng(5)
    for _ in range(30):
        changed = bytearray(content)
        for place in rng.integers(0, len(content), rng.integers(1, 4)):
            changed[place] ^= int(rng.integers(1, 256))
        path.write_bytes(changed)
        with pytest.raises(IntegrityError, match=r"tflite-int8/model.tflite' was changed"):
            verify_export(exported, "tflite-int8")
        path.write_bytes(content[: rng.integers(0, len(content))])
        with pytest.raises(IntegrityError, match=r"was changed"):
            verify_bundle(exported.folder)


def test_silent_damage_is_real(exported, trained):
    """Why the digest is needed: a damaged file loads, runs, and answers something else."""
    path = exported.exports()["tflite-float32"].path
    content, photos = path.read_bytes(), np.full((1, 32, 32, 3), 200, np.uint8)
    expected = get_format("tflite").load(path)(photos)["scores"]
    weights = trained.layers[-1].get_weights()[0][:, 0].tobytes()
    changed = bytearray(content)
    changed[content.index(weights) + 3] ^= 0x40
    path.write_bytes(changed)
    interpreter = Interpreter(model_content=bytes(changed))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], photos)
    interpreter.invoke()
    answer = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    assert not np.allclose(answer, expected, atol=1e-3)


def test_unknown_export(exported_once):
    with pytest.raises(ValueError, match=r"Unknown export 'tflite-int4'. Did you mean"):
        verify_export(exported_once, "tflite-int4")


def test_bundle_without_exports(bundle):
    for check in (lambda: verify_bundle(bundle.folder), lambda: verify_export(bundle, "x")):
        with pytest.raises(DataError, match=r"has no exported file yet. Run: kerasrecipes export"):
            check()


def test_photos_need_scores(exported_once, photo_set):
    with pytest.raises(DataError, match=r"Pass `scores`"):
        verify_export(exported_once, "tflite-int8", photo_set)


def test_photos_with_scores(exported_once, photo_set, trained, tiny):
    pixels, _ = tiny.colour_photos(12, seed=21)
    scores = trained.predict(pixels.astype("float32"), verbose=0)
    found = verify_export(exported_once, "tflite-float32", photo_set, scores=scores)
    assert found.passed and found.photos == 12 and found.largest_gap < 1e-4


@pytest.mark.parametrize("scores", [np.zeros((12, 2)), np.zeros((3, 3)), np.full((12, 3), np.nan)])
def test_scores_must_fit(exported_once, photo_set, scores):
    with pytest.raises(DataError, match=r"must be finite and of shape \(12, 3\), received"):
        verify_export(exported_once, "tflite-int8", photo_set, scores=scores)


def test_no_photos(exported_once, photo_set):
    with pytest.raises(DataError, match=r"There are no held-out photos"):
        verify_export(exported_once, "tflite-int8", photo_set.select([]), scores=np.zeros((0, 3)))


def test_photos_of_unknown_classes(exported_once, photo_set):
    photos = tuple(dataclasses.replace(photo, label="violet") for photo in photo_set.photos)
    with pytest.raises(DataError, match="does not know the classes 'violet'; it was trained on"):
        verify_export(
            exported_once,
            "tflite-int8",
            dataclasses.replace(photo_set, photos=photos),
            scores=np.zeros((12, 3)),
        )


def test_file_of_another_model(exported, tiny):
    from kerasrecipes.files import digest

    record = exported.exports()["tflite-int8"]
    chosen = get_format("tflite")
    model = tiny.untrained_model()
    chosen.write(model, record.path, contract=contract_of(["x", "y", "z"]))
    record = dataclasses.replace(
        record, sha256=digest(record.path), size_bytes=record.path.stat().st_size
    )
    with pytest.raises(DataError, match=r"carries the labels 'x', 'y' and 'z'|'x', 'y', 'z'"):
        verify_export(exported, record)


def test_file_of_another_size(exported_once, swapped):
    other = Answers([])
    other.shape = (64, 64, 3)
    swapped(load=lambda path: other)
    with pytest.raises(DataError, match=r"takes photos of \(64, 64, 3\) .* takes \(32, 32, 3\)"):
        verify_export(exported_once, "tflite-int8")


def test_moved_bundle_still_verifies(exported, tmp_path):
    shutil.move(exported.folder.parent, tmp_path / "elsewhere")
    assert len(verify_bundle(tmp_path / "elsewhere")) == 2
