"""What changed: photos that flipped, classes that lost; and records of older versions."""

import dataclasses
import json

import numpy as np
import pytest

from kerasrecipes import DataError, Predictor, VerificationError
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.export import get_format
from kerasrecipes.files import digest
from kerasrecipes.heads import get_task
from kerasrecipes.verify import Verification, verify_bundle, verify_export
from kerasrecipes.verify.changes import compare_classes, find_flips
from tiny_bundle import contract_of, reseal

NAMES = ("blue", "green", "red")
CLASSES = (
    get_task("classification"),
    OutputSpec(name="scores", task="classification", class_names=NAMES),
)


def scores(*tops: int, sure: float = 0.8) -> np.ndarray:
    rows = np.full((len(tops), 3), (1 - sure) / 2)
    rows[np.arange(len(tops)), tops] = sure
    return rows


def test_flips_name_photo_label_and_both_answers():
    labels = np.array([0, 0, 1, 2])
    before = scores(0, 1, 1, 2)
    before[2] = [0.02, 0.96, 0.02]
    after = scores(0, 0, 2, 1, sure=0.6)
    flips = find_flips(["a.png", "b.png", "c.png", "d.png"], labels, before, after, *CLASSES)
    # Lost ones first, and of these the surest.
    assert [flip.photo for flip in flips] == ["c.png", "d.png", "b.png"]
    assert [flip.lost for flip in flips] == [True, True, False]
    first = flips[0]
    assert (first.label, first.before, first.after) == ("green", "green", "red")
    assert (first.before_score, first.after_score) == (0.96, 0.6)


def test_an_answer_of_nan_is_a_flip():
    after = scores(0, 1)
    after[1, 2] = np.nan
    (flip,) = find_flips(["a", "b"], np.array([0, 1]), scores(0, 1), after, *CLASSES)
    assert flip.after == "" and flip.after_score == 0.0 and flip.lost


def test_classes_come_with_intervals_worst_first():
    labels = np.array([0] * 20 + [1] * 10)
    reference = np.ones(30, bool)
    right = reference.copy()
    right[20:25] = False
    green, blue = compare_classes(labels, right, reference, NAMES)
    assert (green.name, green.photos, green.recall, green.reference_recall) == ("green", 10, 0.5, 1)
    low, high = green.interval
    assert low < green.difference == -0.5 < high < 0
    assert blue.difference == 0 and blue.interval[0] < 0 < blue.interval[1]


@pytest.fixture
def damaged(exported_once, monkeypatch):
    """A verification of a file that answers three photos as another class, one with NaN."""
    said = exported_once.golden().answers.copy()
    said[:8] = np.roll(said[:8], 1, axis=1)
    said[3, 0] = np.nan
    rows = iter(said.astype(np.float32))

    class Answers:
        shape, dtype, outputs = (32, 32, 3), "uint8", {"scores": 3}

        def __call__(self, photos):
            return {"scores": np.stack([next(rows) for _ in photos])}

    changed = dataclasses.replace(get_format("tflite"), load=lambda path: Answers())
    monkeypatch.setattr("kerasrecipes.verify.checking.get_format", lambda name: changed)
    return verify_export(exported_once, "tflite-int8")


def test_a_changed_model_is_told_in_words(damaged, exported_once):
    golden = exported_once.golden()
    assert not damaged.passed
    assert damaged.lost == 8 and damaged.gained == 0 and damaged.mcnemar_p == 2 / 2**8
    assert len(damaged.flips) == 8
    assert {flip.photo for flip in damaged.flips} == set(golden.names[:8])
    low, high = damaged.difference_bootstrap
    assert low < damaged.accuracy_difference < high < 0
    text = str(damaged)
    assert "8 lost, 0 gained: more than chance (McNemar's exact test p = 0.0078)" in text
    assert "and 3 more; all are in `flips` (--json)" in text
    assert text.count("other top class") == 5 and "by bootstrap -" in text
    assert "'blue': 85.0 % of 20 photos found (original 100.0 %), -15.0 points (95 % int" in text
    assert "shows 'rød\\n1'" in text and "\nrød" not in text


def test_a_photo_of_a_folder_is_told_by_its_last_two_names(damaged):
    far = dataclasses.replace(damaged.flips[0], photo="/a/very/long/way/to/dot/07.png")
    text = str(dataclasses.replace(damaged, flips=(far,)))
    assert "  dot/07.png shows '" in text and "way" not in text


def test_all_of_it_goes_through_json(damaged):
    again = Verification.from_dict(json.loads(json.dumps(damaged.to_dict(), allow_nan=False)))
    assert again == damaged
    assert again.flips[0].photo and again.classes[0].interval


def test_numbers_of_the_file_itself(exported_once):
    found = verify_export(exported_once, "tflite-int8")
    assert found.load_ms > 0
    assert 100_000 < found.memory_bytes < 100_000_000
    assert found.int8_work_fraction == 1.0
    assert all(one.median_ms <= one.p95_ms <= one.p99_ms for one in found.latency.values())
    assert found.flips == () and found.mcnemar_p == 1.0 and found.difference_bootstrap is None
    assert "no photo is lost, none is gained" in str(found)


NEW = ("difference_bootstrap", "lost", "gained", "mcnemar_p", "classes", "flips",
       "int8_work_fraction", "load_ms", "memory_bytes")  # fmt: skip


def test_a_bundle_of_an_older_version_still_verifies(exported):
    """Records used to lack these fields, and the 99th percentile of the latency."""
    record = exported.exports()["tflite-int8"]
    path = record.folder / "export.json"
    stated = json.loads(path.read_text())
    for name in NEW:
        del stated["verification"][name]
    for latency in stated["verification"]["latency"].values():
        del latency["p99_ms"]
    path.write_text(json.dumps(stated))
    reseal(exported)
    old = Verification.from_dict(exported.exports()["tflite-int8"].verification)
    assert old.passed and old.flips == () and old.memory_bytes is None and old.mcnemar_p is None
    assert (
        "peak memory" not in str(old) and "p99" not in str(old) and "% of the mult" not in str(old)
    )
    assert [found.passed for found in verify_bundle(exported.folder)] == [True, True]


def without_a_bias(bundle) -> bytes:
    """The float32 export with the dense layer's bias taken out."""
    from ai_edge_litert.tools import flatbuffer_utils

    from kerasrecipes.export.tflite.metadata import add_metadata

    model = flatbuffer_utils.read_model(str(bundle.exports()["tflite-float32"].path))
    graph = model.subgraphs[0]
    bias = graph.tensors[graph.operators[-2].inputs[2]]
    model.buffers[bias.buffer].data = None
    content = bytes(flatbuffer_utils.convert_object_to_bytearray(model))
    return add_metadata(content, contract_of(list(bundle.class_names)))


def test_a_file_that_lost_weights_is_refused_later_too(exported):
    """The digest vouches for what was written, not for what a conversion left out."""
    record = exported.exports()["tflite-float32"]
    record.path.write_bytes(without_a_bias(exported))
    record = dataclasses.replace(
        record, sha256=digest(record.path), size_bytes=record.path.stat().st_size
    )
    with pytest.raises(VerificationError, match="reads 1 weights that it does not hold"):
        verify_export(exported, record)


def test_a_message_names_the_file_and_not_the_copy_that_was_opened(exported):
    from kerasrecipes.bundles.export_record import opened

    record = exported.exports()["tflite-float32"]
    with pytest.raises(DataError) as told, opened(record) as copy:
        assert copy.path != record.path
        get_format("tflite").load(copy.path)(np.zeros((1, 2), np.float32))
    assert "`inputs` must be" in str(told.value)
    with pytest.raises(VerificationError) as told, opened(record) as copy:
        raise VerificationError(f"'{copy.path}' is bad.", 3)
    assert told.value.args == (f"'{record.path}' is bad.", 3)
    assert Predictor(exported).model.name == str(exported.exports()["tflite-int8"].path)


def test_a_lone_file_that_lost_weights_is_one_clear_error(exported):
    path = exported.exports()["tflite-float32"].path
    path.write_bytes(without_a_bias(exported))
    with pytest.raises(DataError, match=r"LiteRT cannot run '.*': Input tensor \d+ lacks data\."):
        get_format("tflite").load(path)(np.zeros((1, 32, 32, 3), np.uint8))
