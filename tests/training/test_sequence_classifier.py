"""A recipe for signals: fitted by the same engine, saved, loaded, exported, and refused in time."""

import shutil

import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes import DataError, NoEffectError, SequenceClassifier, UnfreezeSchedule
from kerasrecipes.settings.judging import judge_recipe
from kerasrecipes.training.signals.baseline import compare_with_baseline, fit_baseline
from tiny_signals import draw_signal, tiny_net, write_recordings


def test_it_learns_and_says_of_what(signal_fitted, signal_sets):
    evaluation = signal_fitted.report_.evaluations["test"]
    assert evaluation.accuracy.value > 0.85
    assert "signals right" in str(evaluation) and "photo" not in str(evaluation)
    (stage,) = signal_fitted.report_.stages
    # All but the statistics of BatchNormalization.
    assert stage.total_parameters - stage.trainable_parameters == 2 * 12
    assert signal_fitted.report_.weights["source"].startswith("none: random weights")


def gappy(values):
    values = values.copy()
    values[3] = np.nan
    values[5, 1] = np.nan
    return values


@pytest.mark.parametrize("family", ["tiny", "tcn", "transformer"])
def test_padding_and_gaps_change_no_answer(family):
    """Behind the last step nothing is seen; a gap before it is 0, and does not spread."""
    spec = tiny_net() if family == "tiny" else kr.get_backbone(family, "signals")
    spec = kr.backbones.changed(spec, channels=2, mean=(5.0, 0.0), variance=(2.0, 1.0), gaps=True)
    model = spec.build()
    values = gappy(draw_signal("turn", 1, 17))
    alone = model.predict_on_batch(values[None])
    wide = np.pad(values[None], ((0, 1), (0, 9), (0, 0)), constant_values=np.nan)
    wide[1, :26] = draw_signal("shake", 2, 26)
    np.testing.assert_allclose(model.predict_on_batch(wide)[:1], alone, atol=1e-5)
    assert np.isfinite(alone).all()
    filled = np.where(np.isnan(values), 1e3, values)
    assert np.abs(model.predict_on_batch(filled[None]) - alone).max() > 1e-3


def test_every_family_is_built_as_its_entry_says():
    names = kr.list_backbones("signals")
    assert {"fcn", "tcn", "gru", "lstm", "bilstm", "conv_attention", "transformer"} <= set(names)
    for name in names:
        spec = kr.get_backbone(name, "signals")
        model = spec.build()
        assert model.output_shape == (None, spec.feature_size)
        assert model.count_params() == spec.parameter_count, (name, model.count_params())
        weighted = [layer for layer in model.layers if layer.weights]
        assert all(spec.block_of(layer.name) == 0 for layer in weighted)


def test_saved_loaded_and_exported(signal_fitted, signal_bundle, signal_sets):
    test = signal_sets[2]
    again = kr.load_recipe(signal_bundle.folder)
    assert isinstance(again, SequenceClassifier)
    answers = signal_fitted.predict(test)
    np.testing.assert_allclose(again.predict(test), answers, atol=1e-6)
    record = signal_bundle.exports()["tflite-float32"]
    assert record.verification["passed"] and record.verification["agreement"] == 1.0
    predictor = kr.Predictor(signal_bundle.folder)
    assert predictor.input.shape == (None, 2)
    for path, row in zip(
        [test.root / one.name for one in test.signals[:4]], answers[:4], strict=True
    ):
        (found,) = predictor.predict(path)
        assert found.label == test.class_names[row.argmax()], found.error
        assert found.score == pytest.approx(row.max(), abs=1e-5)


@pytest.mark.parametrize(
    "content, told",
    [
        ("time,left,up\n0,1,2\n0.02,1,2", "has no channel 'right'; it has 'left', 'up'"),
        ("time,left,right\n0,1,2\n0.1,1,2", "has 10 steps per second, and the model learned"),
        ("1\n2", "has 1 channels, and the model reads 2"),
        ("left,right\n1,inf", "infinity, first in step 0 of channel 'right'"),
        ("", "is empty"),
    ],
)
def test_other_recordings_are_no_input(signal_bundle, tmp_path, content, told):
    (tmp_path / "one.csv").write_text(content)
    (found,) = kr.Predictor(signal_bundle.folder).predict(tmp_path / "one.csv")
    assert told in found.error and not found.label


def test_channels_by_name_in_any_order(signal_bundle, tmp_path):
    values = draw_signal("turn", 77, 20)
    np.savetxt(tmp_path / "a.csv", values, delimiter=",", header="left,right", comments="")
    swapped = np.column_stack([values[:, 1], np.zeros(20), values[:, 0]])
    np.savetxt(tmp_path / "b.csv", swapped, delimiter=",", header="right,x,left", comments="")
    one, other = kr.Predictor(signal_bundle.folder).predict(
        [tmp_path / "a.csv", tmp_path / "b.csv"]
    )
    assert one.scores == pytest.approx(other.scores, abs=1e-6)


def test_a_stream_ends_with_the_answer_of_the_whole(signal_bundle, signal_fitted, tmp_path):
    """Step by step, from numbers and from a file; each stream has a state of its own."""
    with pytest.raises(DataError, match="cannot answer step by step"):
        list(kr.Predictor(signal_bundle.folder).stream([[5.0, 0.0]]))
    bundle = kr.Bundle.load(shutil.copytree(signal_bundle.folder, tmp_path / "moves" / "1"))
    record = bundle.export(signatures=("step",), overwrite=True)
    predictor = kr.Predictor(record.path)
    values = draw_signal("turn", 50, 30)
    np.save(tmp_path / "one.npy", values)
    (whole,) = predictor.predict(tmp_path / "one.npy")
    found = list(predictor.stream(values.tolist()))
    assert [one.path for one in found[:2]] == ["step 0", "step 1"] and len(found) == 30
    assert found[-1].scores == pytest.approx(whole.scores, abs=1e-6)
    assert list(predictor.stream(tmp_path / "one.npy"))[-1].scores == found[-1].scores
    with pytest.raises(DataError, match="Step 0 has 1 values, and the model reads 2 channels"):
        list(predictor.stream([[1.0]]))


@pytest.mark.parametrize("way", ["int8", "int4"])
def test_whole_numbers_are_refused_before_any_conversion(signal_bundle, way):
    with pytest.raises(ValueError, match=f"'{way}'` cannot be had of a model for signals"):
        signal_bundle.export("tflite", way)


@pytest.mark.parametrize("count, epochs", [(5, 1000), (32, 500), (160, 100), (10_000, 100)])
def test_few_signals_get_as_many_steps(count, epochs):
    recipe = SequenceClassifier()
    (stage,) = recipe.for_count(judge_recipe(recipe), count).schedule.stages
    assert stage.epochs == epochs
    named = SequenceClassifier(schedule=UnfreezeSchedule.full(3, 1e-3))
    judged = judge_recipe(named)
    assert named.for_count(judged, count) is judged


def test_numbers_from_windows_with_groups(tmp_path):
    lines = ["path,value,group"]
    write_recordings(tmp_path, 6)
    for path in sorted(tmp_path.rglob("*.csv")):
        rhythm = {"shake": 1.6, "still": 0.0, "turn": 0.4}[path.parent.name]
        lines.append(f"{path.relative_to(tmp_path)},{rhythm},{path.stem}")
    (tmp_path / "t.csv").write_text("\n".join(lines))
    found = kr.scan_signals(tmp_path / "t.csv", window=8)
    train, val, test = kr.split_signals(found, test_fraction=0.3, val_fraction=0.3)
    recipe = SequenceClassifier(
        tiny_net(), head="regression", schedule=UnfreezeSchedule.full(2, 1e-2)
    )
    recipe.fit(train, val, verbose=False)
    assert np.isfinite(recipe.evaluate(test).mean_absolute_error.value)
    assert set(train.groups).isdisjoint(test.groups)


def test_the_baseline_is_measured_beside_it(signal_fitted, signal_sets):
    train, _, test = signal_sets
    simple = fit_baseline(train, test)
    assert (simple.answers.argmax(axis=1) == test.labels).mean() > 0.9
    np.testing.assert_allclose(simple.answers.sum(axis=1), 1)
    noted = str(compare_with_baseline(signal_fitted, train, test))
    assert "Ridge on random convolutions and summaries, learned from the same" in noted
    assert "prefer it, or show more signals to both" in noted


@pytest.mark.parametrize(
    "given, told",
    [
        ({"backbone": "minilm"}, "'minilm' reads texts, and signals are to be read"),
        ({"backbone": 3}, r"list_backbones\('signals'\) or a SignalBackbone"),
        ({"weights": "default"}, "weights='default'` is not possible for 'fcn'"),
        ({"mix": "mixup"}, "`mix` cannot be used for signals: .* cannot be mixed"),
        ({"l2_sp": 1.0}, "`l2_sp` cannot be used for signals"),
        ({"schedule": UnfreezeSchedule.head_only()}, "leaves a part of the network frozen"),
    ],
)
def test_what_is_refused_before_any_work(signal_sets, given, told):
    with pytest.raises(ValueError, match=told):
        SequenceClassifier(**given).fit(*signal_sets[:2])


def test_other_examples_are_refused(signal_sets, signal_fitted, ticket_sets, tmp_path):
    with pytest.raises(DataError, match="learns from signals, and these are texts"):
        SequenceClassifier().fit(*ticket_sets[:2])
    with pytest.raises(NoEffectError, match="`probe` measures pretrained features"):
        SequenceClassifier().probe(*signal_sets[:2])
    other = write_recordings(tmp_path, 2, names=("up", "down"))
    with pytest.raises(DataError, match="reads the channels 'left', 'right', and these"):
        signal_fitted.evaluate(kr.scan_signals(other))
