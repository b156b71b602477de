"""Adapters on the attention of texts: merged, saved and exported, the model that learned."""

import keras
import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes import BitFit, Bottleneck, LowRank, TextClassifier, UnfreezeSchedule
from kerasrecipes.surgery.adapters import add_adapter
from kerasrecipes.verify import Verification
from tiny_bert import tiny_bert

ATTENTION = LowRank(2, match="attention")


def stirred(model):
    """Give what trains of a model other values, as training would."""
    rng = np.random.default_rng(0)
    for weight in model.trainable_weights:
        weight.assign(weight + rng.normal(0, 0.3, weight.shape))


@pytest.mark.parametrize(
    "adapter",
    [ATTENTION, pytest.param(LowRank(4), marks=pytest.mark.proof), Bottleneck(4), BitFit()],
    ids=["attention", "all kernels", "bottleneck", "bitfit"],
)  # fmt: skip
def test_merged_it_computes_the_same_and_padding_stays_nothing(adapter):
    spec = tiny_bert()
    backbone = spec.build()
    adapted = add_adapter(backbone, spec, adapter)
    ids = np.array([[2, 5, 9, 7, 3], [2, 6, 3, 0, 0]], np.int32)
    before = backbone.predict_on_batch(ids)
    np.testing.assert_array_equal(adapted.model.predict_on_batch(ids), before)
    stirred(adapted.model)
    found = adapted.model(ids)
    assert np.abs(found - before).max() > 0.01
    merged = adapted.merge()
    np.testing.assert_allclose(merged(ids), found, rtol=1e-5, atol=1e-6)
    assert not any("lora" in weight.path for weight in merged.weights)
    np.testing.assert_allclose(merged(ids[1:, :3]), found[1:], rtol=1e-5, atol=1e-5)


def test_only_kernels_of_attention_are_changed_where_that_is_asked():
    spec = tiny_bert()
    adapted = add_adapter(spec.build(), spec, ATTENTION)
    names = {weight.path.split("/")[0] for weight in adapted.model.trainable_weights}
    assert names == {"block01_attention", "block02_attention"}
    # Query, key, value and output, each with two matrices.
    assert len(adapted.model.trainable_weights) == 2 * 4 * 2


@pytest.mark.proof
def test_what_learned_is_saved_and_exported(ticket_sets, tmp_path):
    train, val, test = ticket_sets
    schedule = UnfreezeSchedule.two_phase(
        2, 1e-2, head_epochs=6, head_learning_rate=0.03, open_fraction=0.7
    )
    recipe = TextClassifier(tiny_bert(), adapter=ATTENTION, schedule=schedule, batch_size=16)
    recipe.fit(train, val, verbose=False)
    start, model = recipe.backbone.build(), recipe.model_
    moved = {
        layer.name
        for layer in start.layers
        for weight, old in zip(model.get_layer(layer.name).weights, layer.weights, strict=True)
        if not np.array_equal(weight, old)
    }
    assert moved == {"block01_attention", "block02_attention"}
    assert not any("lora" in weight.path for weight in model.weights)
    answers = recipe.predict(test)
    measured = min(recipe.report_.stages[-1].history["val_loss"])
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=0.1)
    found = float(loss(np.eye(3)[val.labels], recipe.predict(val)))
    assert found == pytest.approx(measured, rel=1e-3)
    bundle = recipe.save(tmp_path / "model")
    np.testing.assert_allclose(kr.load_recipe(bundle.folder).predict(test), answers, atol=1e-6)
    record = bundle.export("tflite", "float32")
    assert Verification.from_dict(record.verification).passed
    said = kr.Predictor(record.path).predict([one.text for one in test.texts])
    rows = [[one.scores[name] for name in recipe.labels_] for one in said]
    np.testing.assert_allclose(rows, answers, atol=1e-5)
