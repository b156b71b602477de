"""What does it cost to find a learning rate, beside one epoch of plain Keras?

    python tests/benchmarks/lr_finder.py [--photos 2624] [--steps 100] [--sweeps 3]

On the solar cells of the package `elpv-dataset`, with the default backbone: all sweeps for the
head, and all sweeps for the head and the top blocks of `two_phase()`, both on the output of the
frozen blocks, which a fit computes anyway. Beside them, one epoch in which plain Keras trains
everything from photos in memory, from the time of its steps after the first ones. Prints a
Markdown section for RESULTS.md.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import keras
import numpy as np

import kerasrecipes as kr
from kerasrecipes.data.batches import one_hot
from kerasrecipes.engine.freezing import FreezePolicy
from kerasrecipes.engine.frozen.runtime import frozen_engine
from kerasrecipes.environment import library_versions
from kerasrecipes.heads import make_head
from kerasrecipes.photos.reader import PhotoReader

BATCH = 32
TIMED_STEPS, WARM_STEPS = 8, 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--photos", type=int, default=2624)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--sweeps", type=int, default=3)
    parser.add_argument("--size", type=int, default=224)
    arguments = parser.parse_args()
    if arguments.photos <= WARM_STEPS * BATCH:
        parser.error(f"--photos must be more than {WARM_STEPS * BATCH}: first steps do not count.")
    photos = solar_cells(arguments.photos)
    rows = [
        (f"{name}, {arguments.sweeps} sweeps of {arguments.steps} steps", seconds, what)
        for name, seconds, what in sweeps(photos, arguments)
    ]
    seconds = plain_epoch(photos, arguments.size)
    rows.append((f"plain Keras, one epoch of {len(photos):,} photos", seconds, "trains everything"))
    print(f"`{' '.join(['python', *sys.argv])}`\n")
    print(", ".join(f"{name} {number}" for name, number in library_versions().items()), "\n")
    print("| what | seconds | |\n|---|---|---|")
    for name, seconds, what in rows:
        print(f"| {name} | {seconds:.1f} | {what} |")


def solar_cells(count: int):
    recipe = Path(__file__).parents[2] / "recipes" / "defect_detection"
    sys.path.insert(0, str(recipe))
    from demo_photos import solar_cells

    photos = kr.scan_photos(solar_cells())
    chosen = np.random.default_rng(0).permutation(len(photos))[:count]
    return photos.select(sorted(chosen.tolist()))


def build(photos, size: int):
    """Return the model up to its logits, and its backbone's specification."""
    spec = kr.get_backbone("efficientnet_lite0")
    backbone = spec.build((size, size))
    head = make_head("classification")
    scores = head.build(backbone.output, len(photos.class_names), 0)
    whole = keras.Model(backbone.input, scores)
    return whole, keras.Model(whole.input, whole.get_layer(head.trains).output), spec, head


def sweeps(photos, arguments):
    whole, model, spec, head = build(photos, arguments.size)
    schedule = kr.UnfreezeSchedule.two_phase()
    for stage in schedule.stages:
        first_open = stage.first_open(len(spec.blocks))
        FreezePolicy(len(spec.blocks) - first_open).apply(whole, spec)
        cut = spec.boundary(whole, first_open)
        frozen = keras.Model(model.input, [cut])
        run = frozen_engine(frozen, len(photos))
        reader = PhotoReader(photos, (arguments.size, arguments.size))
        features = np.concatenate([run(batch.numpy())[0] for batch in reader.in_order(BATCH)])
        trained = keras.Model(cut, model.output)
        trained.compile(keras.optimizers.AdamW(), head.loss())
        started = time.perf_counter()
        found = kr.find_learning_rate(
            trained,
            (features, one_hot(photos)),
            steps=arguments.steps,
            sweeps=arguments.sweeps,
            batch_size=BATCH,
        )
        yield stage.name, time.perf_counter() - started, f"suggests {found.learning_rate:.1e}"


def plain_epoch(photos, size: int) -> float:
    """Time steps, and multiply: a whole epoch would make the benchmark slow for no gain."""
    _, model, _, head = build(photos, size)
    model.compile(keras.optimizers.Adam(1e-5), head.loss())
    reader, seconds = PhotoReader(photos, (size, size)), []
    targets = one_hot(photos)
    for step, batch in enumerate(reader.in_order(BATCH)):
        if step == WARM_STEPS + TIMED_STEPS:
            break
        rows = targets[step * BATCH : step * BATCH + len(batch)]
        started = time.perf_counter()
        model.train_on_batch(batch, rows)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[WARM_STEPS:]) * len(photos) / BATCH


if __name__ == "__main__":
    main()
