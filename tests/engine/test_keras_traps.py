"""What plain Keras silently does, and what happens here instead.

The other traps have their tests beside what avoids them: running means in `logs` in
`callbacks/test_batch_loss.py`, rates of schedules in `callbacks/test_divergence_guard.py`,
averaged weights in `callbacks/test_moving_average.py`, the repeated order in
`photos/test_reader.py`, inexact resuming in `callbacks/test_exact_checkpoint.py`, malicious files
in `bundles/test_model_file.py`, misspelled monitors in `callbacks/test_early_stopping.py`.
"""

from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers

from keras_versions import INNER_CALLS_TRAIN
from kerasrecipes import BackboneSpec, Stage, get_backbone
from kerasrecipes.callbacks.state.model_state import ModelState
from kerasrecipes.callbacks.state.state_folder import StateFolder
from kerasrecipes.engine.block_optimizers import BlockOptimizers
from kerasrecipes.engine.freezing import FreezePolicy
from kerasrecipes.surgery.adapters import LowRank, add_adapter

SPEC = replace(get_backbone("efficientnet_lite0"), name="small", blocks=("stem_.+", "top_.+"))
RNG = np.random.default_rng(0)
X = RNG.normal(3, 2, (32, 8, 8, 3)).astype("float32")
Y = np.eye(2, dtype="float32")[RNG.integers(0, 2, 32)]


def small_model():
    keras.utils.set_random_seed(0)
    photo = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, name="stem_conv")(photo)
    x = layers.BatchNormalization(name="stem_norm")(x)
    x = layers.Conv2D(4, 3, activation="relu", name="top_conv")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(photo, layers.Dense(2, name="logits")(x))


def fit(model, epochs=2, callbacks=(), optimizer=None, **options):
    model.compile(optimizer or keras.optimizers.Adam(0.01), "mse")
    model.fit(X, Y, batch_size=8, epochs=epochs, verbose=0, callbacks=list(callbacks), **options)


def kernel(model, name="stem_conv"):
    return model.get_layer(name).kernel.numpy()


def test_1_unfreezing_while_training_moves_nothing():
    class Unfreeze(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.get_layer("stem_conv").trainable = epoch > 0

    model = small_model()
    model.get_layer("stem_conv").trainable = False
    before = kernel(model)
    fit(model, 3, [Unfreeze()])
    assert model.get_layer("stem_conv").trainable
    np.testing.assert_array_equal(kernel(model), before)

    FreezePolicy(2).apply(model, SPEC)  # and a compile for each stage
    fit(model, 5, initial_epoch=3)
    assert np.abs(kernel(model) - before).max() > 1e-3


def test_1_recompiling_while_training_fails():
    class Recompile(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.compile("adam", "mse")

    with pytest.raises((TypeError, AttributeError, ValueError)):
        fit(small_model(), 3, [Recompile()], validation_data=(X, Y))


def test_2_calling_a_backbone_in_inference_mode_protects_no_statistics():
    inner = small_model()
    photo = keras.Input((8, 8, 3))
    model = keras.Model(photo, inner(photo, training=False))
    start = inner.get_layer("stem_norm").moving_mean.numpy()
    fit(model)
    plain = np.abs(inner.get_layer("stem_norm").moving_mean.numpy() - start).max()

    ours = small_model()
    FreezePolicy(2).apply(ours, SPEC)
    fit(ours)
    np.testing.assert_array_equal(ours.get_layer("stem_norm").moving_mean.numpy(), start)
    assert plain > 0.01 or not INNER_CALLS_TRAIN


def test_4_a_state_tree_of_variables_is_no_copy():
    model = small_model()
    fit(model, 1)
    before, tree, copy = kernel(model), model.get_state_tree(), ModelState(model)
    arrays = model.get_state_tree(value_format="numpy_array")
    fit_on = dict(batch_size=8, verbose=0)
    model.fit(X, Y, **fit_on)
    with pytest.raises(Exception):  # noqa: B017 - what it raises is Keras's business
        model.set_state_tree(tree)
        np.testing.assert_array_equal(kernel(model), before)
    copy.restore()
    np.testing.assert_array_equal(kernel(model), before)
    model.fit(X, Y, **fit_on)
    model.set_state_tree(arrays)
    np.testing.assert_array_equal(kernel(model), before)


class Killed(BaseException):
    pass


def test_8_a_save_that_is_cut_off_takes_the_old_file_with_it(tmp_path, monkeypatch):
    model = small_model()
    path = tmp_path / "model.weights.h5"
    files = StateFolder(tmp_path / "states")
    model.save_weights(path)
    files.write({"weights": model.get_weights()})

    def killed(*_):
        raise Killed

    last = model.get_layer("logits")
    monkeypatch.setattr(last, "save_own_variables", killed)
    with pytest.raises(Killed):
        model.save_weights(path)
    with pytest.raises((OSError, ValueError, KeyError)):
        small_model().load_weights(path)

    monkeypatch.setattr("kerasrecipes.files.os.fsync", killed)
    with pytest.raises(Killed):
        files.write({"weights": model.get_weights()})
    again = StateFolder(tmp_path / "states").read()
    for one, other in zip(again["weights"], model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.proof
def test_9_quantizing_leaves_convolutions_out_without_a_word(recwarn):
    model = small_model()
    model.quantize("int8")
    modes = {one.name: getattr(one, "quantization_mode", None) for one in model.layers}
    assert modes["logits"] == "int8"
    assert modes["stem_conv"] is None and modes["top_conv"] is None
    # What this toolkit writes is counted in the file: see `export/test_tflite.py`.


def test_9_low_rank_training_of_a_convolutional_backbone_adds_nothing():
    keras_hub = pytest.importorskip("keras_hub", exc_type=ImportError)
    backbone = keras_hub.models.ResNetBackbone(
        input_conv_filters=[64], input_conv_kernel_sizes=[3], stackwise_num_filters=[64, 64],
        stackwise_num_blocks=[1, 1], stackwise_num_strides=[1, 2], block_type="basic_block",
        image_shape=(32, 32, 3),
    )  # fmt: skip
    assert backbone.trainable_weights
    backbone.enable_lora(4)
    assert not backbone.trainable_weights  # it cannot learn, and nothing is said

    photo = keras.Input((16, 16, 3))
    x = layers.Conv2D(8, 3, name="one")(photo)
    mine = keras.Model(photo, layers.Conv2D(8, 3, name="two")(x), name="mine")
    spec = BackboneSpec.from_model(mine, scaling="none")
    summary = add_adapter(spec.build(), spec, LowRank(2)).summary
    assert summary.trainable_parameters > 0
    with pytest.raises(ValueError, match="LowRank finds nothing to adapt"):
        add_adapter(spec.build(), spec, LowRank(2, match="query"))


def test_10_a_map_of_optimizers_that_is_a_function_cannot_be_loaded(tmp_path):
    model = small_model()
    slow, fast = keras.optimizers.Adam(1e-4), keras.optimizers.Adam(1e-2)
    by_function = keras.optimizers.MultiOptimizer(
        lambda variable: slow if variable.path.startswith("stem") else fast
    )
    with pytest.raises(Exception):  # noqa: B017 - saving or loading, it does not matter which
        fit(model, 1, optimizer=by_function)
        model.save(tmp_path / "function.keras")
        keras.models.load_model(tmp_path / "function.keras")

    FreezePolicy(2).apply(model, SPEC)
    optimizers = BlockOptimizers(SPEC, weight_decay=0.01, ema=False)
    by_pattern = optimizers.for_stage(model, Stage("all", 1, 1e-3, 1.0), steps=4)
    fit(model, 1, optimizer=by_pattern)
    model.save(tmp_path / "pattern.keras")
    loaded = keras.models.load_model(tmp_path / "pattern.keras").optimizer
    assert len(loaded.optimizers) == len(by_pattern.optimizers) == 3
    for one, other in zip(by_pattern.variables, loaded.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_10_a_function_that_makes_optimizers_makes_one_for_each_variable():
    model = small_model()
    fit(model, 1, optimizer=keras.optimizers.MultiOptimizer(lambda _: keras.optimizers.Adam(0.01)))
    assert len(model.optimizer.optimizers) == len(model.trainable_variables)
    FreezePolicy(2).apply(model, SPEC)
    ours = BlockOptimizers(SPEC, 0.0).for_stage(model, Stage("all", 1, 1e-3, 1.0), steps=4)
    assert len(ours.optimizers) == 3  # stem, top and head


def test_13_a_name_with_an_underscore_cannot_be_exported(tmp_path):
    photo = keras.Input((8, 8, 3))
    odd = keras.Model(photo, layers.Conv2D(2, 3, name="_odd")(photo), name="net")
    with pytest.raises(ValueError, match="scope"):
        odd.export(tmp_path / "odd", verbose=False)
    spec = BackboneSpec.from_model(odd, scaling="none")
    model = spec.build()
    assert not any(layer.name.startswith("_") for layer in model.layers)
    model.export(tmp_path / "mine", verbose=False)
