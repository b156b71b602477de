"""Adapters: they begin as nothing, only they learn, and they merge away."""

import keras
import numpy as np
import pytest
from keras import layers

from kerasrecipes.backbones.spec import BackboneSpec
from kerasrecipes.surgery.adapters import BitFit, Bottleneck, LowRank, add_adapter

ADAPTERS = [LowRank(2), Bottleneck(3), BitFit()]
NAMES = ["low-rank", "bottleneck", "bitfit"]


def data():
    rng = np.random.default_rng(0)
    return rng.uniform(0, 255, (8, 16, 16, 3)).astype("float32"), np.eye(2)[rng.integers(0, 2, 8)]


def make_spec():
    photo = keras.Input((16, 16, 3))
    x = layers.Conv2D(8, 3, 2, "same", use_bias=False, name="stem")(photo)
    x = layers.ReLU()(layers.BatchNormalization(name="stem_bn")(x))
    y = layers.DepthwiseConv2D(3, padding="same", name="deep")(x)
    y = layers.BatchNormalization(name="deep_bn")(y)
    x = layers.Add()([x, layers.Conv2D(8, 1, name="mix")(y)])
    x = layers.Conv2D(12, 3, 2, "same", activation="relu", name="wide")(x)
    return BackboneSpec.from_model(keras.Model(photo, x, name="tiny"), scaling="-1..1")


@pytest.fixture(scope="module")
def spec():
    return make_spec()


@pytest.fixture
def model(spec):
    """The backbone under a head that has a BatchNormalization of its own."""
    backbone = spec.build()
    x = layers.GlobalAveragePooling2D()(backbone.output)
    x = layers.BatchNormalization(name="head_bn")(x)
    model = keras.Model(backbone.input, layers.Dense(2, activation="softmax", name="logits")(x))
    rng = np.random.default_rng(1)
    model.set_weights([rng.uniform(0.05, 0.3, w.shape) for w in model.get_weights()])
    return model


def values(model):
    return {weight.path: weight.numpy() for weight in model.weights}


def moved(model, before):
    now = values(model)
    return {path for path in before if not np.array_equal(before[path], now[path])}


def trained(adapted, eagerly=True):
    optimizer = keras.optimizers.Adam(0.05)
    adapted.model.compile(optimizer, "categorical_crossentropy", run_eagerly=eagerly)
    adapted.model.fit(*data(), epochs=3, batch_size=4, verbose=0)
    return adapted


@pytest.mark.parametrize("adapter", ADAPTERS, ids=NAMES)
def test_it_begins_as_exactly_nothing_and_leaves_the_model_alone(model, spec, adapter):
    before, flags = values(model), [weight.trainable for weight in model.weights]
    expected = np.asarray(model(data()[0]))
    adapted = add_adapter(model, spec, adapter)
    np.testing.assert_array_equal(np.asarray(adapted.model(data()[0])), expected)
    trained(adapted)
    assert not moved(model, before)
    assert [weight.trainable for weight in model.weights] == flags


@pytest.mark.parametrize(
    ("adapter", "opened"),
    [
        (LowRank(2), {"stem/lora_kernel", "mix/lora_kernel", "wide/lora_kernel"}),
        (Bottleneck(3, (0, 2)), {"adapter_0_", "adapter_2_"}),
        (BitFit(), {"stem_bn/beta", "deep/bias", "deep_bn/beta", "mix/bias", "wide/bias"}),
    ],
    ids=NAMES,
)
def test_only_the_adapters_and_the_head_learn(model, spec, adapter, opened):
    adapted = add_adapter(model, spec, adapter)
    before = values(adapted.model)
    trained(adapted, eagerly=False)
    changed = moved(adapted.model, before)
    expected = {path for path in before if path.startswith((*opened, "logits/"))}
    assert changed == expected
    assert len([path for path in changed if not path.startswith("logits")]) >= len(opened)


@pytest.mark.parametrize("adapter", ADAPTERS, ids=NAMES)
def test_merging_gives_the_same_function_in_a_plain_model(model, spec, adapter, tmp_path):
    adapted = trained(add_adapter(model, spec, adapter))
    plain = adapted.merge()
    photos = data()[0]
    expected = np.asarray(adapted.model(photos, training=False))
    assert np.abs(expected - np.asarray(model(photos, training=False))).max() > 1e-3
    np.testing.assert_array_equal(np.asarray(plain(photos, training=False)), expected)
    by_graph = [one.predict(photos, verbose=0) for one in (plain, adapted.model)]
    np.testing.assert_allclose(*by_graph, rtol=1e-5)
    assert not [weight for weight in plain.weights if "lora" in weight.name]
    assert all(layer.trainable for layer in plain.layers)
    if not isinstance(adapter, Bottleneck):
        assert [layer.name for layer in plain.layers] == [layer.name for layer in model.layers]
    plain.save(tmp_path / "plain.keras")
    loaded = keras.models.load_model(tmp_path / "plain.keras")
    np.testing.assert_array_equal(np.asarray(loaded(photos, training=False)), expected)


def test_alpha_scales_the_change(model, spec):
    changes = []
    for alpha in (2.0, 6.0):
        adapted = add_adapter(model, spec, LowRank(2, alpha, match="^wide$"))
        layer = adapted.model.get_layer("wide")
        layer.lora_kernel_b.assign(np.ones(layer.lora_kernel_b.shape))
        kernel = adapted.merge().get_layer("wide").kernel.numpy()
        changes.append(kernel - model.get_layer("wide").kernel.numpy())
    np.testing.assert_allclose(changes[1], 3 * changes[0], rtol=1e-4, atol=1e-6)
    product = layer.lora_kernel_a.numpy() @ layer.lora_kernel_b.numpy()
    np.testing.assert_allclose(changes[0], product, rtol=1e-4, atol=1e-6)


def test_a_seed_repeats_and_another_differs(model, spec):
    def start(adapter, seed):
        added = add_adapter(model, spec, adapter, seed=seed).model
        return np.concatenate(
            [
                w.numpy().ravel()
                for w in added.weights
                if "lora_kernel_a" in w.path or "_down" in w.path
            ]
        )

    for adapter in ADAPTERS[:2]:
        np.testing.assert_array_equal(start(adapter, 3), start(adapter, 3))
        assert not np.allclose(start(adapter, 3), start(adapter, 4))


def test_layers_inside_composite_ones_are_adapted(model):
    photo = keras.Input((4, 4, 3))
    x = layers.Reshape((16, 8))(layers.Conv2D(8, 1, name="embed")(photo))
    x = layers.MultiHeadAttention(2, 4, name="attend")(x, x)
    x = layers.Conv2D(8, 1, name="last")(layers.Reshape((4, 4, 8))(x))
    spec = BackboneSpec.from_model(keras.Model(photo, x, name="mixed"), scaling="none")
    backbone = spec.build()
    adapted = add_adapter(backbone, spec, LowRank(1, match="attend/(query|value)"))
    for part in adapted.model.get_layer("attend")._flatten_layers():
        if hasattr(part, "lora_kernel_b"):
            part.lora_kernel_b.assign(np.ones(part.lora_kernel_b.shape))
    assert sum(row.adapted for row in adapted.summary.rows) == 2
    photos = data()[0][:, :4, :4]
    expected = np.asarray(adapted.model(photos))
    assert np.abs(expected - np.asarray(backbone(photos))).max() > 1e-3
    np.testing.assert_array_equal(np.asarray(adapted.merge()(photos)), expected)


def test_the_table_counts_every_weight_once(model, spec):
    for adapter in ADAPTERS:
        adapted = add_adapter(model, spec, adapter)
        summary = adapted.summary
        assert summary.total_parameters == adapted.model.count_params()
        assert summary.trainable_parameters == sum(
            keras.ops.size(weight) for weight in adapted.model.trainable_weights
        )
        assert summary.rows[-1].block == "head"
        assert summary.rows[-1].trainable_parameters == 12 * 2 + 2
        assert summary.rows[0].block == "stem"


def test_the_table_reads_well(model, spec):
    text = str(add_adapter(model, spec, LowRank(2)).summary)
    assert "1 matching layers left alone: DepthwiseConv2D has no low-rank form." in text
    assert "parameters train (" in text
    rows = add_adapter(model, spec, Bottleneck(3)).summary.rows
    assert [(row.block, row.adapted) for row in rows if row.adapted] == [("adapters", 3)]
    per_detour = [8 * 3 + 3 + 3 * 8 + 8] * 2 + [12 * 3 + 3 + 3 * 12 + 12]
    assert rows[-2].trainable_parameters == rows[-2].parameters == sum(per_detour)


@pytest.mark.parametrize(
    ("adapter", "message"),
    [
        (
            LowRank(2, match="wiide"),
            "no layer with a kernel has `match='wiide'` in its name. Layers that can be: 'stem', "
            "'mix', 'wide'",
        ),
        (LowRank(match="deep"), "1 left alone: DepthwiseConv2D has no low-rank form. Layers that"),
        (
            LowRank(100),
            "3 left alone: its kernel is no larger than a change of rank 100; .*Lower `rank`",
        ),
        (
            Bottleneck(blocks=(0, 3)),
            "`blocks` must be from 0 to 2, the blocks of 'model:tiny', not 3",
        ),
        (Bottleneck(blocks=(-1,)), "`blocks` must be from 0 to 2, .* not -1"),
        ("lora", "`adapter` must be a LowRank, Bottleneck or BitFit, not 'lora'"),
    ],
)
def test_adapters_that_find_nothing_are_errors(model, spec, adapter, message):
    with pytest.raises(ValueError, match=message):
        add_adapter(model, spec, adapter)


def test_bitfit_needs_something_that_is_added():
    photo = keras.Input((8, 8, 3))
    bare = keras.Model(photo, layers.Conv2D(4, 3, use_bias=False)(photo), name="bare")
    spec = BackboneSpec.from_model(bare, scaling="none")
    with pytest.raises(ValueError, match="BitFit finds nothing to train in 'model:bare'"):
        add_adapter(spec.build(), spec, BitFit())


def test_a_constrained_kernel_is_left_alone():
    photo = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 3, name="held", kernel_constraint="non_neg")(photo)
    model = keras.Model(photo, layers.Conv2D(8, 3, name="free")(x), name="two")
    spec = BackboneSpec.from_model(model, scaling="none")
    summary = add_adapter(spec.build(), spec, LowRank(1)).summary
    assert summary.left_alone == {"its kernel is constrained": 1}


def test_the_model_must_be_grown_from_the_backbone(model, spec):
    photo = keras.Input((8, 8, 3))
    other = keras.Model(photo, layers.Conv2D(2, 1, name="other")(photo))
    for wrong in (other, "model", keras.Sequential([layers.Dense(2)])):
        with pytest.raises(ValueError, match="`model` is not grown from 'model:tiny'"):
            add_adapter(wrong, spec, BitFit())
    adapted = add_adapter(model, spec, Bottleneck())
    with pytest.raises(ValueError, match="has bottlenecks already. Adapt one without."):
        add_adapter(adapted.model, spec, Bottleneck())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LowRank(0), "`rank` must be a whole number above 0, not 0"),
        (lambda: LowRank(True), "`rank` must be a whole number above 0, not True"),
        (lambda: LowRank(alpha=0), "`alpha` must be above 0, or None for `rank`, not 0"),
        (lambda: LowRank(match="("), r"`match` must be a regular expression, not '\('"),
        (lambda: LowRank(match=None), "`match` must be a regular expression, not None"),
        (lambda: Bottleneck(1.5), "`units` must be a whole number above 0, not 1.5"),
        (lambda: Bottleneck(blocks=()), "`blocks` is empty, so nothing would be added"),
    ],
)
def test_arguments_are_judged_at_once(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_what_was_frozen_before_is_open_after_merging(model, spec):
    for layer in model.layers:
        layer.trainable = False
    adapted = add_adapter(model, spec, BitFit())
    assert adapted.summary.trainable_parameters == 8 + 8 + 8 + 8 + 12 + (12 * 2 + 2)
    assert len(adapted.merge().trainable_weights) == len(spec.build().trainable_weights) + 4


def test_plain_keras_traps_that_merging_avoids(tmp_path):
    """A saved low-rank model cannot learn on, and flipping `trainable` opens its kernel."""
    photo = keras.Input((4, 4, 3))
    model = keras.Model(photo, layers.Conv2D(4, 1, name="c")(photo))
    layer = model.get_layer("c")
    layer.enable_lora(2)
    assert not layer._kernel.trainable
    layer.trainable = False
    layer.trainable = True
    assert layer._kernel.trainable
    layer.lora_kernel_b.assign(np.ones((2, 4)))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras").get_layer("c")
    assert loaded.lora_enabled
    assert not loaded.lora_kernel_a.numpy().any() and not loaded.lora_kernel_b.numpy().any()
