import keras
import numpy as np
import pytest

from keras_versions import INNER_CALLS_TRAIN
from kerasrecipes import FreezePolicy, get_backbone
from kerasrecipes.engine.freezing import held_still


@pytest.fixture(scope="module")
def spec():
    return get_backbone("efficientnet_lite0")


@pytest.fixture
def model(spec):
    backbone = spec.build((48, 48), None)
    pooled = keras.layers.GlobalAveragePooling2D()(backbone.output)
    return keras.Model(backbone.input, keras.layers.Dense(2, name="logits")(pooled))


def test_table_counts_every_parameter_once(model, spec):
    summary = FreezePolicy(3).apply(model, spec)
    assert sum(row.parameters for row in summary.rows) == model.count_params()
    assert [row.trained for row in summary.rows] == [False] * 15 + [True] * 4
    assert summary.trainable_parameters == sum(keras.ops.size(w) for w in model.trainable_weights)


def test_table_reads_well(model, spec):
    text = str(FreezePolicy(3).apply(model, spec))
    assert "stem–14" in text
    assert "15–17" in text
    assert "yes, BatchNorm statistics frozen" in text
    assert "parameters train (" in text


def test_batch_norm_trains_only_on_request(model, spec):
    norms = [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]
    FreezePolicy(18).apply(model, spec)
    assert not any(norm.trainable for norm in norms)
    summary = FreezePolicy(18, train_batch_norm=True).apply(model, spec)
    assert all(norm.trainable for norm in norms)
    assert summary.rows[0].batch_norm == "BatchNorm trained"


def test_refreezing_undoes_unfreezing(model, spec):
    FreezePolicy(18).apply(model, spec)
    assert FreezePolicy(0).apply(model, spec).trainable_parameters == 1280 * 2 + 2


def test_a_model_that_was_compiled_before_is_told_of(tiny_spec, capsys):
    spec = tiny_spec(filters=2)
    backbone = spec.build((32, 32), "default")
    pooled = keras.layers.GlobalAveragePooling2D()(backbone.output)
    model = keras.Model(backbone.input, keras.layers.Dense(1, name="logits")(pooled))
    x, top = np.ones((2, 32, 32, 3)), model.get_layer("top_conv")
    FreezePolicy(0).apply(model, spec)
    model.compile(keras.optimizers.Adam(0.1), "mse")
    model.fit(x, np.ones(2), verbose=0)
    before = top.get_weights()[1].copy()
    FreezePolicy(0).apply(model, spec)  # as it is
    assert not capsys.readouterr().err

    FreezePolicy(1).apply(model, spec)
    (line,) = capsys.readouterr().err.splitlines()
    assert "was compiled before other layers were frozen" in line and "Call `compile`" in line
    model.fit(x, np.ones(2), verbose=0)
    np.testing.assert_array_equal(top.get_weights()[1], before)  # the trap
    model.compile(keras.optimizers.Adam(0.1), "mse")
    FreezePolicy(1).apply(model, spec)
    assert not capsys.readouterr().err
    model.fit(x, np.ones(2), verbose=0)
    assert np.abs(top.get_weights()[1] - before).max() > 1e-3


def test_nothing_trainable_is_an_error(spec):
    with pytest.raises(ValueError, match="Nothing would train: every layer with weights is frozen"):
        FreezePolicy(0).apply(spec.build((48, 48), None), spec)


@pytest.mark.parametrize("blocks", [-1, 19, 1.5, True])
def test_open_blocks_out_of_range(model, spec, blocks):
    with pytest.raises(ValueError, match=f"`open_blocks` must be between 0 and 18.*not {blocks}"):
        FreezePolicy(blocks).apply(model, spec)


def test_batch_norm_inside_composite_layers_stands_still(spec):
    """KerasHub's fused blocks hide theirs, where a look at the top level misses them."""

    class Fused(keras.layers.Layer):
        def __init__(self, **options):
            super().__init__(**options)
            self.norm = keras.layers.BatchNormalization()

        def call(self, x, training=None):
            return self.norm(x, training=training)

    photo = keras.Input((8, 8, 3))
    x = Fused(name="fused")(photo)
    pooled = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(photo, keras.layers.Dense(2, name="logits")(pooled))
    summary = FreezePolicy(18).apply(model, spec)
    assert summary.trainable_parameters == 3 * 2 + 2
    assert summary.rows[-1].batch_norm == "BatchNorm statistics frozen"
    model.compile("sgd", "mse")
    model.fit(np.full((4, 8, 8, 3), 9.0), np.zeros((4, 2)), verbose=0)
    assert not model.get_layer("fused").norm.moving_mean.numpy().any()


def test_what_is_held_still_drops_nothing_out():
    """The trap: a call with `training=False` drops, since the model around it has its own."""
    photo = keras.Input((8, 8, 3))
    frozen = keras.Model(photo, keras.layers.Dropout(0.5)(photo))
    x = np.ones((2, 8, 8, 3), "float32")
    called = keras.Model(photo, frozen(photo, training=False))
    assert np.array_equal(called(x, training=True), x) is not INNER_CALLS_TRAIN
    held = held_still(frozen)(photo)
    assert np.array_equal(keras.Model(photo, held)(x, training=True), x)
    behind = keras.Model(photo, keras.layers.Dropout(0.5)(held))
    assert not np.array_equal(behind(x, training=True), x)
