"""How much faster is a fit than plain Keras 3 doing the same work, and is it as good?

    python tests/benchmarks/plain_keras.py elpv  [--runs 0 1 2] [--methods recipe top all probe]
    python tests/benchmarks/plain_keras.py tiles --table tiles.csv [--per-class 10]

Plain Keras follows the official guide to transfer learning: photos decoded once and kept in
memory, augmentation as layers, the backbone called with `training=False`, a pooled head with
dropout, Adam at 1e-3 on the frozen backbone, then Adam at 1e-5 on what is unfrozen. Backbone,
weights, photos, batch size and epochs are the recipe's. It unfreezes the blocks that the recipe
opens (`top`), which is the same work, or everything, as the guide does (`all`). `probe` is a
logistic regression on the frozen backbone's features.

The methods take turns, each fit in a process of its own. Memory is what that process holds for
itself (anonymous memory) at its largest. Prints a Markdown section for RESULTS.md: medians with
the lowest and the highest run, and of what was found on test photos the means with 95 % intervals
over the runs by Student's t.
"""

import argparse
import json
import subprocess
import sys
import time

import numpy as np
from memory import PeakMemory
from quality import elpv_splits, few, probe_scores, summary, tile_splits

import kerasrecipes as kr
from kerasrecipes.data.inference import predict_scores
from kerasrecipes.environment import library_versions

METHODS = {
    "recipe": "kerasrecipes",
    "top": "plain Keras, the same blocks",
    "all": "plain Keras, all blocks",
    "probe": "logistic regression",
}
AUGMENT, HEAD_RATE, RATE, DROPOUT, BATCH = "flips", 1e-3, 1e-5, 0.2, 32


def main() -> None:
    arguments = parse()
    if arguments.one:
        print(json.dumps(fit_one(arguments)))
        return
    found = {method: [] for method in arguments.methods}
    for run in arguments.runs:
        for method in arguments.methods:
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
    parser.add_argument("--methods", choices=METHODS, nargs="+", default=["recipe", "top"])
    parser.add_argument("--head-epochs", type=int, default=30)
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--photos", type=int, help="train on so many, for a shorter run")
    parser.add_argument("--per-class", type=int, help="learn from so few photos of each class")
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
        if arguments.one == "probe":
            scores = probe_scores(train, val, test)
            return summary("test ", scores, test)
        if arguments.one == "recipe":
            recipe = kr.ImageClassifier(
                schedule=schedule, augment=AUGMENT, loss=arguments.loss, seed=arguments.run
            )
            recipe.fit(train, val, callbacks=[clock.callback()])
            model = recipe.model_
        else:
            open_fraction = schedule.stages[-1].open_fraction if arguments.one == "top" else 1.0
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
    if arguments.per_class:
        train, val, test = few((train, val, test), arguments.per_class, arguments.run)
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
    first, *others = found
    lines = [f"`{' '.join(['python', *sys.argv])}`", "", versions, ""]
    compared = "".join(f" {METHODS[method]} beside the first |" for method in others)
    lines += ["| | " + " | ".join(METHODS[method] for method in found) + f" |{compared}"]
    lines += ["|---|" + "---|" * (len(found) + len(others))]
    for name in found[first][0]:
        values = {
            method: np.array([run.get(name, np.nan) for run in runs])
            for method, runs in found.items()
        }
        if name.startswith("test "):
            cells = [with_interval(runs) for runs in values.values()]
            cells += [with_interval(values[other] - values[first], "+") for other in others]
        else:
            medians = {method: np.median(runs) for method, runs in values.items()}
            cells = [
                f"{medians[method]:.4g} ({runs.min():.4g}–{runs.max():.4g})"
                for method, runs in values.items()
            ]
            cells += [f"{medians[other] / medians[first]:.1f} times" for other in others]
        cells = ["" if "nan" in cell else cell for cell in cells]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def with_interval(runs: np.ndarray, sign: str = "") -> str:
    """Write the mean of the runs with its 95 % interval."""
    from scipy import stats

    mean, count = runs.mean(), len(runs)
    if count == 1:
        return f"{mean:{sign}.3f}"
    half = stats.t.ppf(0.975, count - 1) * runs.std(ddof=1) / np.sqrt(count)
    return f"{mean:{sign}.3f} ({mean - half:{sign}.3f} to {mean + half:{sign}.3f})"


if __name__ == "__main__":
    main()
