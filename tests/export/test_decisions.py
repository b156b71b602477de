"""Files that say what they decide: the same as their scores say, in every format."""

import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes.data.specs import AbstainBand, Alarm, CostRule, OutputSpec
from kerasrecipes.errors import VerificationError
from kerasrecipes.export import get_format
from kerasrecipes.export.decisions import decision_outputs, decisions
from kerasrecipes.verify.changes import compare_decisions
from kerasrecipes.verify.verification import Verification

COSTS = ((0.0, 1.0, 5.0), (1.0, 0.0, 5.0), (9.0, 3.0, 0.0))
RULES = {
    "band": {"alarm": Alarm(classes=("blue",), threshold=0.4),
             "abstain": AbstainBand(least=(0.7, 0.6, 0.9))},
    "costs": {"costs": CostRule(costs=COSTS, abstain=(0.5, 0.5, 0.5), temperature=1.7)},
    "top": {},
    "labels": {"task": "multi_label", "thresholds": (0.3, 0.5, 0.2)},
}  # fmt: skip


@pytest.fixture(scope="module")
def ruled(tiny, trained, tmp_path_factory):
    """Bundles of one model that is hardly sure of anything, by their rule."""
    import keras

    unsure = keras.models.clone_model(trained)
    unsure.set_weights(trained.get_weights())
    kernel, bias = unsure.layers[-1].get_weights()
    unsure.layers[-1].set_weights([kernel * 0.2, bias * 0.2])
    root, found = tmp_path_factory.mktemp("ruled"), {}
    for name, rule in RULES.items():
        told = {"name": "scores", "task": "classification", "class_names": tiny.CLASS_NAMES}
        labels = name == "labels"
        keep = (lambda _, k: np.eye(3)[k]) if labels else (lambda _, k: k)
        found[name] = tiny.write_bundle(root / name, unsure, OutputSpec(**{**told, **rule}), keep)
    return found


@pytest.mark.parametrize(
    "rule, format, quantization",
    [
        ("band", "tflite", "float32"),
        pytest.param("band", "tflite", "int8", marks=pytest.mark.proof),
        ("band", "onnx", "float32"),
        ("band", "saved_model", "float32"),
        ("costs", "tflite", "float32"),
        pytest.param("costs", "onnx", "float32", marks=pytest.mark.proof),
        ("top", "tflite", "float32"),
        ("labels", "tflite", "int8"),
    ],
)
def test_a_file_says_what_its_scores_say(ruled, tiny, rule, format, quantization):
    bundle = ruled[rule]
    record = bundle.export(format, quantization, decide=True)
    found = get_format(format).load(record.path)(tiny.colour_photos(90, seed=8)[0])
    names = {"decision", "alarm"} if rule == "band" else {"decision"}
    assert set(found) == {"scores"} | names
    for name in names:
        wanted = decisions(bundle.output, name, found["scores"])
        assert np.mean(np.all(found[name] == wanted, axis=1)) > 0.97
        assert len(np.unique(wanted)) > 1
    told = Verification.from_dict(record.verification).decisions
    assert {f"output '{name}'" for name in names} <= {one.name for one in told}
    assert all(one.agreement >= 0.95 and one.photos == 60 for one in told)
    if rule == "band":
        assert {"alarm", "answer", "left to a person"} <= {one.name for one in told}
        # Without its bundle it is read the same.
        if format != "saved_model":
            assert kr.Predictor(record.path).output == bundle.output


def test_a_file_that_acts_otherwise_is_refused(ruled):
    from kerasrecipes.verify.tolerance import Tolerance
    from kerasrecipes.verify.verification import find_failures

    output = ruled["band"].output
    before = np.tile([0.41, 0.29, 0.30], (100, 1))
    after = before.copy()
    after[:4] = [0.39, 0.31, 0.30]  # the top class is the same, and there is no alarm any more
    changes = compare_decisions(before, after, output, {})
    alarm = next(one for one in changes if one.name == "alarm")
    assert (alarm.agreement, alarm.lost, alarm.gained) == (0.96, 4, 0)
    numbers = {"agreement": 1.0, "photos": 100, "accuracy_difference": 0.0, "largest_gap": 0.02}
    (failure,) = find_failures({**numbers, "decisions": changes}, Tolerance(), 0)
    assert "alarm agrees for 0.9600 of 100 photos (4 lost, 0 gained), below 0.99" in failure
    broken = np.where(np.arange(100)[:, None] < 2, np.nan, before)
    assert compare_decisions(before, broken, output, {})[0].agreement == 0.98


def test_an_export_that_decides_otherwise_is_not_kept(ruled, monkeypatch):
    from kerasrecipes.export import decisions as module

    def turned(output, name, scores):
        return decided(output, name, scores[:, ::-1])

    decided = module.decided_in_graph
    monkeypatch.setattr(module, "decided_in_graph", turned)
    with pytest.raises(VerificationError, match="output 'decision' agrees for"):
        ruled["top"].export("tflite", "float16", decide=True)
    assert "tflite-float16" not in ruled["top"].exports()


def test_what_cannot_decide_is_refused(ruled):
    number = OutputSpec(name="value", task="regression")
    with pytest.raises(ValueError, match="`decide` needs a model that names classes"):
        decision_outputs(number)
    with pytest.raises(ValueError, match="not with `signatures`"):
        ruled["top"].export("tflite", decide=True, signatures=("embed",))
    with pytest.raises(ValueError, match="decides what it answers"):
        ruled["costs"].export("onnx", temperature=2.0)


def test_a_starter_says_that_it_knows_no_rule_and_one_output_alone(ruled, tmp_path):
    with pytest.raises(kr.DataError, match="let your app act on the output 'decision'"):
        kr.write_starter(ruled["costs"], "python", tmp_path / "app")
    ruled["top"].export("tflite", "float32", decide=True, overwrite=True)
    with pytest.raises(kr.DataError, match="answers with 'scores', 'decision'"):
        kr.write_starter(ruled["top"], "python", tmp_path / "app")
