"""What runs the frozen part of a backbone fastest here, and is it the same?

    python tests/benchmarks/engines.py [--batches 6] [--runs 5]

The frozen part of `two_phase()`, of the default backbone, on batches of noise: by Keras's
`predict` and `predict_on_batch`, by a TensorFlow graph with its weights as constants, and by
LiteRT, photo by photo. The engines take turns. Prints a Markdown section for RESULTS.md.
"""

import argparse
import os
import sys
import time

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

import kerasrecipes as kr
from kerasrecipes.data.inference import batch_runner
from kerasrecipes.engine.frozen.runtime import frozen_engine
from kerasrecipes.environment import library_versions

BATCH = 32
FIRST = "Keras, predict"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--batches", type=int, default=6)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    frozen = frozen_part()
    rng = np.random.default_rng(0)
    shape = (arguments.batches, BATCH, *frozen.input.shape[1:])
    batches = list(rng.uniform(0, 255, shape).astype(np.float32))
    engines = {
        FIRST: lambda batch: frozen.predict(batch, verbose=0, batch_size=BATCH),
        "Keras, predict_on_batch": lambda batch: batch_runner(frozen)(batch)[0],
        "TensorFlow, frozen graph": frozen_graph(frozen),
        f"LiteRT, {os.cpu_count()} threads": litert(frozen),
    }
    expected = {name: run(batches[0]) for name, run in engines.items()}  # and warmed up
    seconds = {name: [] for name in engines}
    for _ in range(arguments.runs):
        for name, run in engines.items():
            started = time.perf_counter()
            for batch in batches:
                run(batch)
            seconds[name].append((time.perf_counter() - started) / len(batches) / BATCH)
    print(f"`{' '.join(['python', *sys.argv])}`\n")
    print(", ".join(f"{name} {number}" for name, number in library_versions().items()), "\n")
    print("| engine | ms for a photo | times as fast | largest difference |\n|---|---|---|---|")
    for name, found in seconds.items():
        median = np.median(found)
        scale = np.abs(expected[FIRST]).max()
        gap = np.abs(expected[name] - expected[FIRST]).max() / scale
        print(
            f"| {name} | {1000 * median:.1f} ({1000 * min(found):.1f}–{1000 * max(found):.1f}) | "
            f"{np.median(seconds[FIRST]) / median:.1f} | {gap:.0e} |"
        )


def frozen_part() -> keras.Model:
    spec = kr.get_backbone("efficientnet_lite0")
    model = spec.build()
    last = kr.UnfreezeSchedule.two_phase().stages[-1]
    return keras.Model(model.input, spec.boundary(model, last.first_open(len(spec.blocks))))


def frozen_graph(frozen: keras.Model):
    traced = tf.function(lambda photos: frozen(photos, training=False)).get_concrete_function(
        tf.TensorSpec((None, *frozen.input.shape[1:]), tf.float32)
    )
    run = convert_variables_to_constants_v2(traced)
    return lambda batch: run(tf.constant(batch))[0].numpy()


def litert(frozen: keras.Model):
    run = frozen_engine(keras.Model(frozen.input, [frozen.output]), photos=10**6)
    return lambda batch: run(batch)[0]


if __name__ == "__main__":
    main()
