"""How much faster is a fit than plain Keras 3 doing the same work?

    python tests/benchmarks/speed.py --table tiles.csv [--repeats 3]

Both sides train the same head on the same backbone, and then the same top blocks, on the same
photos, for the same number of epochs and photos per step. Plain Keras follows the guide
"Transfer learning & fine-tuning": photos decoded once into memory, Keras's augmentation layers,
the backbone called with `training=False`, Adam; the guide's two `fit`s. Each run has a process of
its own, and the sides take turns. Prints a Markdown section for RESULTS.md, with medians.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time

import keras
import numpy as np
import tensorflow as tf

import kerasrecipes as kr
from kerasrecipes.versions import library_versions

OPEN_FRACTION = 0.3
BATCH = 32


class Clock(keras.callbacks.Callback):
    """Time every epoch, validation included."""

    def __init__(self):
        super().__init__()
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.monotonic() - self.started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--table", required=True)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--head-epochs", type=int, default=30)
    parser.add_argument("--top-epochs", type=int, default=16)
    parser.add_argument("--only", choices=["ours", "plain"])
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.only:
        print(json.dumps(one_run(arguments)))
        return
    runs = {"ours": [], "plain": []}
    for seed in range(arguments.repeats):
        for side in runs:
            command = [sys.executable, __file__, *sys.argv[1:], "--only", side, "--seed", str(seed)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            runs[side].append(json.loads(done.stdout.splitlines()[-1]))
            print(side, runs[side][-1], file=sys.stderr, flush=True)
    show(runs, " ".join(["python", *sys.argv]))


def show(runs: dict[str, list[dict]], command: str) -> None:
    print(f"`{command}`\n")
    print(", ".join(f"{name} {number}" for name, number in library_versions().items()), "\n")
    print("| median | plain Keras | kerasrecipes | ratio |\n|---|---|---|---|")
    for name in runs["ours"][0]:
        plain, ours = (statistics.median(run[name] for run in runs[s]) for s in ("plain", "ours"))
        print(f"| {name} | {plain:.3f} | {ours:.3f} | {plain / ours:.1f} |")


def one_run(arguments) -> dict[str, float]:
    photos = kr.scan_photos(arguments.table)
    train, val, test = kr.split_photos(
        photos, test_fraction=0.2, val_fraction=0.2, seed=arguments.seed
    )
    fit = {"ours": fit_ours, "plain": fit_plain}[arguments.only]
    started = time.monotonic()
    scores, head_epochs = fit(train, val, test, arguments)
    return {
        "seconds of the whole fit": time.monotonic() - started,
        "seconds of a head epoch": statistics.median(head_epochs),
        "peak memory, MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "test accuracy": float(np.mean(scores.argmax(1) == test.labels)),
    }


def fit_ours(train, val, test, arguments):
    schedule = kr.UnfreezeSchedule.two_phase(
        arguments.top_epochs, head_epochs=arguments.head_epochs, open_fraction=OPEN_FRACTION
    )
    # The same number of epochs as the other side: nobody stops early.
    recipe = kr.ImageClassifier(schedule=schedule, seed=arguments.seed, patience=1000)
    clock = Clock()
    recipe.fit(train, val, callbacks=[clock], verbose=False)
    return recipe.predict(test), clock.seconds[: arguments.head_epochs]


def fit_plain(train, val, test, arguments):
    keras.utils.set_random_seed(arguments.seed)
    spec = kr.get_backbone("efficientnet_lite0")
    backbone = spec.build()
    backbone.trainable = False
    photo = keras.Input((*spec.image_size, 3))
    x = keras.layers.GlobalAveragePooling2D()(backbone(photo, training=False))
    x = keras.layers.Dropout(0.2)(x)
    model = keras.Model(photo, keras.layers.Dense(len(train.class_names))(x))
    train_data, val_data = plain_data(train, spec, True), plain_data(val, spec, False)
    clock = Clock()

    def fit(rate: float, epochs: int) -> None:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
        model.fit(train_data, epochs=epochs, validation_data=val_data, callbacks=[clock], verbose=0)

    fit(1e-3, arguments.head_epochs)
    first_open = len(spec.blocks) - int(np.ceil(OPEN_FRACTION * len(spec.blocks)))
    backbone.trainable = True
    for layer in backbone.layers:
        block = spec.block_of(layer.name)
        layer.trainable = block is not None and block >= first_open
    fit(1e-5, arguments.top_epochs)
    scores = model.predict(plain_data(test, spec, False), verbose=0)
    return scores, clock.seconds[: arguments.head_epochs]


def plain_data(photos, spec, training: bool):
    pixels = np.stack([kr.decode_photo(p.path, spec.image_size) for p in photos.photos])
    data = tf.data.Dataset.from_tensor_slices((pixels, photos.labels))
    if training:
        data = data.shuffle(len(photos))
    data = data.batch(BATCH).map(lambda x, y: (tf.cast(x, tf.float32), y))
    if training:
        flip = keras.layers.RandomFlip("horizontal")
        turn = keras.layers.RandomRotation(0.02)
        data = data.map(lambda x, y: (turn(flip(x, training=True), training=True), y))
    return data.prefetch(tf.data.AUTOTUNE)


if __name__ == "__main__":
    main()
