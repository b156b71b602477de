"""What plain Keras silently does, and what happens here.

    python tests/benchmarks/traps.py

Every row is measured on a small model in a minute. Prints the table of README.md.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tempfile
import warnings
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
from PIL import Image

import kerasrecipes as kr
from kerasrecipes.bundles.contract import Contract
from kerasrecipes.engine.freezing import FreezePolicy

STEPS = 12


def main() -> None:
    rows = [
        flipped_trainable(),
        batch_norm(),
        averaged_weights(),
        repeated_order(),
        misspelled_monitor(),
        skipped_convolutions(),
    ]
    print("| what you do | plain Keras 3 | kerasrecipes |\n|---|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")


def small_model() -> keras.Model:
    keras.utils.set_random_seed(0)
    photo = keras.Input((16, 16, 3), name="photo")
    x = keras.layers.Conv2D(8, 3, name="stem_conv")(photo)
    x = keras.layers.BatchNormalization(name="stem_norm")(x)
    x = keras.layers.ReLU(name="stem_act")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    x = keras.layers.Dropout(0.2, name="dropout")(x)
    return keras.Model(photo, keras.layers.Dense(2, name="logits")(x))


def data(count: int = 16 * STEPS) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, count)
    photos = rng.normal(3.0, 2.0, (count, 16, 16, 3)) + labels[:, None, None, None]
    return photos.astype("float32"), np.eye(2, dtype="float32")[labels]


def fit(model, optimizer=None, callbacks=(), epochs=1, **options):
    if optimizer is not None:
        model.compile(optimizer, keras.losses.CategoricalCrossentropy(from_logits=True))
    return model.fit(
        *data(), batch_size=16, epochs=epochs, verbose=0, callbacks=list(callbacks), **options
    )


def flipped_trainable() -> tuple[str, str, str]:
    class Unfreeze(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.get_layer("stem_conv").trainable = epoch > 0

    model = small_model()
    before = model.get_layer("stem_conv").kernel.numpy()
    fit(model, keras.optimizers.Adam(1e-2), [Unfreeze()], epochs=3)
    plain = np.abs(model.get_layer("stem_conv").kernel.numpy() - before).max()
    recipe, opened = fitted_recipe()
    start = kr.get_backbone(recipe.backbone).build((32, 32)).get_layer(opened).get_weights()[0]
    ours = np.abs(recipe.model_.get_layer(opened).get_weights()[0] - start).max()
    return (
        "unfreeze while training",
        f"the open layer moves by {plain:.1f}",
        f"one compile per stage: it moves by {ours:.4f}",
    )


def fitted_recipe() -> tuple[kr.ImageClassifier, str]:
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        for label, level in (("dark", 60), ("light", 180)):
            for i in range(12):
                path = Path(folder, label, f"{i}.png")
                path.parent.mkdir(exist_ok=True)
                pixels = rng.integers(level - 50, level + 50, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(path)
        train, val, _ = kr.split_photos(kr.scan_photos(folder), test_fraction=0, val_fraction=0.3)
        schedule = kr.UnfreezeSchedule.two_phase(6, 1e-3, head_epochs=1, open_fraction=0.2)
        recipe = kr.ImageClassifier(
            image_size=(32, 32), schedule=schedule, batch_size=4, augment="none"
        )
        recipe.fit(train, val, verbose=False)
    spec = kr.get_backbone(recipe.backbone)
    last = [
        layer.name
        for layer in recipe.model_.layers
        if spec.block_of(layer.name) == len(spec.blocks) - 1
        and isinstance(layer, keras.layers.Conv2D)
    ]
    return recipe, last[0]


def batch_norm() -> tuple[str, str, str]:
    model = small_model()
    norm = model.get_layer("stem_norm")
    start = norm.moving_mean.numpy()
    fit(model, keras.optimizers.Adam(1e-3))
    plain = np.abs(norm.moving_mean.numpy() - start).max()

    model = small_model()
    norm = model.get_layer("stem_norm")
    spec = replace(kr.get_backbone("efficientnet_lite0"), blocks=("stem",))
    FreezePolicy(1).apply(model, spec)
    fit(model, keras.optimizers.Adam(1e-3))
    ours = np.abs(norm.moving_mean.numpy() - start).max()
    return (
        "unfreeze a block with BatchNorm",
        f"its statistics drift by {plain:.1f} in {STEPS} steps",
        f"they stay: {ours:.1f}",
    )


def averaged_weights() -> tuple[str, str, str]:
    def run(callbacks, stopping):
        model = small_model()
        optimizer = keras.optimizers.Adam(1e-2, use_ema=True, ema_momentum=0.9)
        history = fit(model, optimizer, [*callbacks, stopping], 4, validation_data=data(64))
        returned = model.evaluate(*data(64), verbose=0)
        return min(history.history["val_loss"]), returned

    logged, returned = run(
        [keras.callbacks.SwapEMAWeights()],
        keras.callbacks.EarlyStopping("val_loss", patience=9, restore_best_weights=True),
    )
    ours = run([keras.callbacks.SwapEMAWeights(swap_on_epoch=True)], kr.EarlyStopping("val_loss"))
    return (
        "average weights and stop early",
        f"logs {logged:.4f}, returns a model of {returned:.4f}",
        f"logs {ours[0]:.4f}, returns {ours[1]:.4f}",
    )


def repeated_order() -> tuple[str, str, str]:
    from kerasrecipes.data.batches import epoch_order

    orders: list[list[int]] = []
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    train_step = model.train_step

    def watched(batch):
        orders.append([int(value) for value in np.ravel(batch[0])])
        return train_step(batch)

    model.train_step = watched
    x = np.arange(8, dtype="float32")[:, None]
    model.fit(x, x, batch_size=8, epochs=2, shuffle=True, verbose=0)
    same = orders[0] == orders[1]
    ours = np.array_equal(epoch_order(8, 0, 0), epoch_order(8, 0, 1))
    return (
        "seed a fit and shuffle",
        "every epoch in the same order" if same else "another order in each epoch",
        "every epoch in the same order" if ours else "another order in each epoch, from the seed",
    )


def misspelled_monitor() -> tuple[str, str, str]:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        stopping = keras.callbacks.EarlyStopping("val_los", patience=1, mode="min")
        history = fit(small_model(), "adam", [stopping], 5, validation_data=data(16))
    plain = len(history.history["loss"])
    count = sum("val_los" in str(one.message) for one in told)
    try:
        fit(small_model(), "adam", [kr.EarlyStopping("val_los")], 5, validation_data=data(16))
        ours = "trains on"
    except ValueError as error:
        ours = "error in the first step: " + str(error).partition("logs, ")[2].split("?")[0] + "?"
        ours = ours.replace("so training would never stop. ", "")
    return "misspell a monitor", f"{count} warnings, all {plain} epochs run", ours


def skipped_convolutions() -> tuple[str, str, str]:
    model = keras.applications.MobileNetV2(weights=None, input_shape=(32, 32, 3), classes=3)
    kernels = [layer for layer in model.layers if hasattr(layer, "kernel")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.quantize("int8")
    done = sum(getattr(layer, "quantization_mode", None) == "int8" for layer in kernels)

    from kerasrecipes.export.tflite.graph import inspect_file
    from kerasrecipes.export.tflite.tflite import write

    fresh = kr.get_backbone("mobilenet_v2").build((32, 32), weights=None)
    x = keras.layers.GlobalAveragePooling2D()(fresh.output)
    whole = keras.Model(fresh.input, keras.layers.Dense(3, activation="softmax")(x))
    photos = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "m.tflite")
        write(
            whole,
            path,
            quantization="int8",
            calibration=photos,
            contract=Contract.from_dict({"class_names": list("abc")}),
        )
        facts = inspect_file(path)
    return (
        "quantize MobileNetV2 to int8",
        f"`quantize('int8')`: {done} of {len(kernels)} layers",
        f"{facts.int8_kernels} of {facts.kernels} layers, counted in the file; too few is an error",
    )


if __name__ == "__main__":
    main()
