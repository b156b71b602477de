"""What does mixed precision gain on the hardware that is here?

    KERAS_BACKEND=jax python tests/benchmarks/precision.py [--photos 1024] [--batch 128]

Trains all of EfficientNet-Lite0 on photos made on the spot, with `model.fit`, in each precision
that a recipe knows, and says which one `precision="auto"` takes. It needs no TensorFlow. The
first epoch, which compiles, does not count. Prints a Markdown section for RESULTS.md.
"""

import argparse
import sys
import time

import keras
import numpy as np

import kerasrecipes as kr
from kerasrecipes.engine.devices.precision import (
    PRECISIONS,
    choose_precision,
    computing_in,
    with_loss_scaling,
)
from kerasrecipes.environment import library_versions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--photos", type=int, default=1024)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=5, help="that count")
    arguments = parser.parse_args()
    photos, labels = striped_photos(arguments.photos)
    rows = {}
    for precision in PRECISIONS:
        if precision != "auto":
            rows[precision] = train(precision, photos, labels, arguments)
            print(precision, rows[precision], file=sys.stderr, flush=True)
    print(as_markdown(rows, arguments.photos))


def striped_photos(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Make noise, half of it with a dark stripe."""
    photos = np.random.default_rng(0).uniform(0, 255, (count, 224, 224, 3)).astype("float32")
    labels = np.arange(count) % 2
    photos[labels == 1, 70:110] *= 0.8
    return photos, labels


def train(precision: str, photos: np.ndarray, labels: np.ndarray, arguments) -> tuple[list, list]:
    """Return the loss of each epoch and its seconds."""
    keras.utils.set_random_seed(0)
    backbone = kr.get_backbone("efficientnet_lite0").build()
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
    pooled = keras.layers.GlobalAveragePooling2D()(backbone.output)
    model = keras.Model(backbone.input, keras.layers.Dense(2)(pooled))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    losses, seconds = [], []
    with computing_in(precision, model.layers):
        optimizer = keras.optimizers.AdamW(1e-5)
        optimizer.build(model.trainable_variables)
        model.compile(with_loss_scaling(optimizer, precision), loss)
        for _ in range(1 + arguments.epochs):
            started = time.perf_counter()
            history = model.fit(
                photos, labels, batch_size=arguments.batch, shuffle=False, verbose=0
            )
            seconds.append(time.perf_counter() - started)
            losses.append(history.history["loss"][0])
    if any(weight.dtype != "float32" for weight in model.weights):
        raise SystemExit(f"After {precision}, not all weights are float32.")
    return losses, seconds[1:]


def as_markdown(rows: dict[str, tuple[list, list]], photos: int) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in library_versions().items())
    slowest = np.median(rows["float32"][1])
    lines = [
        f"`KERAS_BACKEND={keras.backend.backend()} python {' '.join(sys.argv)}`",
        "",
        f'{hardware()}; {versions}. `precision="auto"` takes {choose_precision("auto")}.',
        "",
        "| precision | photos per second | against float32 | loss after each epoch |",
        "|---|---|---|---|",
    ]
    for precision, (losses, seconds) in rows.items():
        median = np.median(seconds)
        curve = " ".join(f"{loss:.4f}" for loss in losses)
        lines.append(
            f"| {precision} | {photos / median:,.0f} | {slowest / median:.2f}× | {curve} |"
        )
    return "\n".join(lines)


def hardware() -> str:
    if keras.backend.backend() == "jax":
        import jax

        return f"{jax.local_devices()[0].device_kind}, jax {jax.__version__}"
    import tensorflow as tf

    gpus = [
        tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
        for gpu in tf.config.list_physical_devices("GPU")
    ]
    return gpus[0] if gpus else "CPU"


if __name__ == "__main__":
    main()
