"""How much faster is a fit than plain Keras 3 doing the same work, and is it as good?

    python tests/benchmarks/plain_keras.py elpv  [--runs 0 1 2]
    python tests/benchmarks/plain_keras.py tiles --table tiles.csv

Plain Keras follows the official guide to transfer learning: photos decoded once and kept in
memory, augmentation as layers, the backbone called with `training=False`, a pooled head with
dropout, Adam at 1e-3 on the frozen backbone, then Adam at 1e-5 on what is unfrozen. Backbone,
weights, photos, batch size and epochs are the recipe's. It unfreezes the blocks that the recipe
opens (`top`), which is the same work, or everything, as the guide does (`all`).

The methods take turns, each fit in a process of its own. Memory is what that process holds for
itself (anonymous memory) at its largest. Prints a Markdown section for RESULTS.md.
"""

import argparse
import json
import subprocess
import sys
import time

import numpy as np
from memory import PeakMemory
from quality import elpv_splits, summary, tile_splits

import kerasrecipes as kr
from kerasrecipes.inference import predict_scores
from kerasrecipes.versions import library_versions

RECIPE = "kerasrecipes"
AUGMENT, HEAD_RATE, RATE, DROPOUT, BATCH = "flips", 1e-3, 1e-5, 0.2, 32


def main() -> None:
    arguments = parse()
    if arguments.one:
        print(json.dumps(fit_one(arguments)))
        return
    methods = [RECIPE, *(f"plain Keras, {which} blocks" for which in arguments.unfreeze)]
    found = {method: [] for method in methods}
    for run in arguments.runs:
        for method in methods:
            command = [sys.executable, *sys.argv, "--one", method, "--run", str(run)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            found[method].append(json.loads(done.stdout.splitlines()[-1]))
            print(run, method, found[method][-1], file=sys.stderr, flush=True)
    print(as_markdown(found))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", choices=["elpv", "tiles"])
    parser.add_argument("--table", help="the table of the tiles")
    parser.add_argument("--runs", type=int, nargs="+", default=[0, 1, 2], help="seeds, or folds")
    parser.add_argument("--unfreeze", choices=["top", "all"], nargs="+", default=["top"])
    parser.add_argument("--head-epochs", type=int, default=30)
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--photos", type=int, help="train on so many, for a shorter run")
    parser.add_argument("--loss", help="the recipe's loss; the default is cross-entropy")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--run", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


def fit_one(arguments) -> dict[str, float]:
    """Fit by one method, and measure it on the test photos."""
    train, val, test = sides(arguments)
    schedule = kr.UnfreezeSchedule.two_phase(arguments.epochs, head_epochs=arguments.head_epochs)
    clock = EpochClock()
    with PeakMemory() as peak:
        started = time.perf_counter()
        if arguments.one == RECIPE:
            recipe = kr.ImageClassifier(
                schedule=schedule, augment=AUGMENT, loss=arguments.loss, seed=arguments.run
            )
            recipe.fit(train, val, callbacks=[clock.callback()])
            model = recipe.model_
        else:
            open_fraction = schedule.stages[-1].open_fraction if "top" in arguments.one else 1.0
            model = fit_plainly(train, val, arguments, open_fraction, clock)
        seconds = time.perf_counter() - started
    return {
        "seconds of an epoch of the head": float(np.median(clock.epochs[0])),
        "seconds of the head in all": clock.ends[0] - started,
        "seconds of an epoch of open blocks": float(np.median(clock.epochs[1])),
        "seconds of the whole fit": seconds,
        "peak memory in MB": peak.megabytes,
        **summary("test ", predict_scores(model, test), test),
    }


def sides(arguments):
    arguments.seeds, arguments.folds = [arguments.run], 5
    splits = elpv_splits(arguments) if arguments.data == "elpv" else tile_splits(arguments)
    train, val, test = dict(splits)[arguments.run]
    if arguments.photos:
        share = arguments.photos / len(train)
        train, val = (drawn(side, share, arguments.run) for side in (train, val))
    return train, val, test


def drawn(side, share: float, seed: int):
    order = np.random.default_rng(seed).permutation(len(side))
    return side.select(order[: round(share * len(side))])


def fit_plainly(train, val, arguments, open_fraction: float, clock):
    """Do what the guide does."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(arguments.run)
    spec = kr.get_backbone("efficientnet_lite0")
    backbone = spec.build()
    photo = keras.Input(backbone.input.shape[1:])
    x = layers.RandomFlip("horizontal_and_vertical")(photo)
    x = layers.GlobalAveragePooling2D()(backbone(x, training=False))
    logits = layers.Dense(len(train.class_names))(layers.Dropout(DROPOUT)(x))
    model = keras.Model(photo, logits)

    shuffled = plain_data(train, backbone).unbatch().shuffle(1000, seed=arguments.run).batch(BATCH)
    data, held_out = shuffled.prefetch(2), plain_data(val, backbone)
    blocks = len(spec.blocks)
    phases = ((0.0, HEAD_RATE, arguments.head_epochs), (open_fraction, RATE, arguments.epochs))
    for fraction, rate, epochs in phases:
        first_open = blocks - np.ceil(fraction * blocks)
        for layer in backbone.layers:
            block = spec.block_of(layer.name)
            layer.trainable = block is not None and block >= first_open
        loss = keras.losses.CategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
        model.fit(
            data,
            epochs=epochs,
            validation_data=held_out,
            callbacks=[clock.callback()],
            verbose=0,
        )
    scores = layers.Softmax()(model(photo, training=False))
    return keras.Model(photo, scores)


def plain_data(photos, backbone):
    size = tuple(backbone.input.shape[1:3])
    return kr.to_dataset(photos, size, batch_size=BATCH).cache()


class EpochClock:
    """Times every epoch of every `fit`, validation included."""

    def __init__(self):
        self.epochs: list[list[float]] = []
        self.ends: list[float] = []

    def callback(self):
        import keras

        def began(logs=None):
            self.epochs.append([])
            self.ends.append(0.0)

        def ended(epoch, logs=None):
            now = time.perf_counter()
            self.epochs[-1].append(now - self._since)
            self.ends[-1] = now

        def epoch_began(epoch, logs=None):
            self._since = time.perf_counter()

        return keras.callbacks.LambdaCallback(
            on_train_begin=began, on_epoch_begin=epoch_began, on_epoch_end=ended
        )


def as_markdown(found: dict[str, list[dict[str, float]]]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in library_versions().items())
    lines = [f"`{' '.join(['python', *sys.argv])}`", "", versions, ""]
    lines += ["| median of the runs | " + " | ".join(found) + " | ratio to the first |"]
    lines += ["|---|" + "---|" * (len(found) + 1)]
    for name in found[RECIPE][0]:
        values = {method: [run[name] for run in runs] for method, runs in found.items()}
        medians = {method: float(np.median(runs)) for method, runs in values.items()}
        cells = [
            f"{medians[method]:.4g} ({min(runs):.4g}–{max(runs):.4g})"
            for method, runs in values.items()
        ]
        others = [m / medians[RECIPE] for method, m in medians.items() if method != RECIPE]
        ratios = "" if name.startswith("test ") else ", ".join(f"{ratio:.1f}" for ratio in others)
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {ratios} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
