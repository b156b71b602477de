"""Adapters in a recipe: only they and the head train, and the model that is returned is plain."""

import json

import keras
import numpy as np
import pytest

from kerasrecipes import BitFit, Bottleneck, ImageClassifier, LowRank, UnfreezeSchedule

ADAPTERS = [LowRank(2), Bottleneck(3), BitFit()]
NAMES = ["low-rank", "bottleneck", "bitfit"]
SCHEDULE = UnfreezeSchedule.two_phase(3, 1e-2, head_epochs=1, open_fraction=0.5)


@pytest.fixture
def fit(part_sets, tiny_spec, quick_recipe):
    def run(adapter, callbacks=(), run_folder=None, resume=False, **changes):
        settings = {"backbone": tiny_spec(), "schedule": SCHEDULE, "augment": "none"}
        recipe = quick_recipe(adapter=adapter, **{**settings, **changes})
        recipe.fit(*part_sets[:2], callbacks=callbacks, run_folder=run_folder, resume=resume)
        return recipe

    return run


class Cut(keras.callbacks.Callback):
    """Ends a run in its second stage."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise InterruptedError


@pytest.mark.parametrize("adapter", ADAPTERS, ids=NAMES)
def test_what_trained_is_merged_into_a_plain_model(fit, part_sets, tmp_path, capsys, adapter):
    recipe = fit(adapter)
    said = capsys.readouterr().err
    assert "Adapters in the blocks that are opened:\n  block" in said
    model, start = recipe.model_, recipe.backbone.build()
    assert all(layer.trainable for layer in model.layers)
    assert not any("lora" in weight.path for weight in model.weights)
    assert (len(model.get_layer("top_conv").get_weights())) == 2
    moved = {
        weight.path
        for weight, before in zip(
            [w for layer in start.layers for w in model.get_layer(layer.name).weights],
            start.get_weights(),
            strict=True,
        )
        if not np.array_equal(weight.numpy(), before)
    }
    expected = {0: {"top_conv/kernel"}, 1: set(), 2: {"top_conv/bias"}}
    assert moved == expected[ADAPTERS.index(adapter)]
    assert any(layer.name == "adapter_1_up" for layer in model.layers) == (adapter == Bottleneck(3))
    assert not any(layer.name.startswith("adapter_0") for layer in model.layers)
    # What was measured while training is what the merged model does.
    scores = recipe.predict(part_sets[1])
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=0.1)
    found = float(loss(np.eye(3)[part_sets[1].labels], scores))
    measured = min(recipe.report_.stages[-1].history["val_loss"])
    assert found == pytest.approx(measured, rel=1e-3)
    if adapter != BitFit():
        bundle = recipe.save(tmp_path / "parts")
        loaded = ImageClassifier.load(bundle.folder)
        np.testing.assert_allclose(loaded.predict(part_sets[1]), scores, atol=1e-6)
        assert bundle.manifest.recipe["adapter"]["kind"] == type(adapter).__name__


@pytest.mark.parametrize(
    "adapter", [ADAPTERS[0], pytest.param(ADAPTERS[1], marks=pytest.mark.proof)], ids=NAMES[:2]
)
def test_it_goes_on_exactly_after_a_break(fit, tmp_path, adapter):
    whole = fit(adapter)
    with pytest.raises(InterruptedError):
        fit(adapter, [Cut()], tmp_path)
    resumed = fit(adapter, (), tmp_path, resume=True)
    for one, other in zip(whole.model_.get_weights(), resumed.model_.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_it_is_the_same_without_the_cache(fit):
    one, other = (fit(Bottleneck(3), cache_gb=size) for size in (4.0, 0.0))
    for a, b in zip(one.model_.get_weights(), other.model_.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=0.02)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"adapter": "lora"}, "`adapter` must be a LowRank, Bottleneck or BitFit, not 'lora'"),
        ({"adapter": BitFit(), "l2_sp": 0.1}, "`l2_sp` would have no effect with `adapter`"),
        (
            {"adapter": BitFit(), "batch_norm": "train"},
            "`batch_norm='train'` would have no effect with `adapter`",
        ),
        (
            {"adapter": BitFit(), "schedule": UnfreezeSchedule.head_only()},
            "would have no effect: it acts on open blocks",
        ),
    ],
)
def test_adapters_without_effect_are_refused_before_any_work(changes, message):
    with pytest.raises(ValueError, match=message):
        ImageClassifier(**changes).fit(None, None)


@pytest.mark.parametrize(
    ("adapter", "message"),
    [
        (LowRank(2, match="stem"), "no layer with a kernel has `match='stem'` in its name"),
        (Bottleneck(blocks=(0,)), "`blocks` must be from 1 to 1, the blocks that are opened"),
    ],
)
def test_adapters_of_blocks_that_stay_frozen_are_errors(fit, adapter, message):
    with pytest.raises(ValueError, match=message):
        fit(adapter)


@pytest.mark.parametrize("adapter", [*ADAPTERS, Bottleneck(blocks=(3, 4))])
def test_the_configuration_carries_them(adapter):
    config = json.loads(json.dumps(ImageClassifier(adapter=adapter).get_config()))
    assert ImageClassifier.from_config(config).adapter == adapter
