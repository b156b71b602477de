"""Networks for signals with 8 bits: of the weights, of kernels too, and of all arithmetic.

    python tests/benchmarks/signals_in_8_bits.py data/aeon/datasets/data [families …]

Data as for `signals.py`. Each network learns JapaneseVowels for 12 epochs, seed 0, and each file is
made and asked in a process of its own, since the converter ends it on loops. Asked are the 370 test
signals, with one thread.
"""

import subprocess
import sys
import time
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

FAMILIES = ("fcn", "tcn", "conv_attention", "transformer", "gru", "lstm", "bilstm")
WAYS = {"dynamic": "weights", "kernels": "weights and kernels", "all": "everything"}


def train(folder: Path, family: str, to: Path) -> None:
    """Keep a network, the signals that it learned from, and those that it is asked."""
    from signals import sets

    import kerasrecipes as kr

    kr.set_verbosity("silent")
    train, val, test = sets(folder, "JapaneseVowels", 0)
    schedule = kr.UnfreezeSchedule.full(12, 1e-3)
    recipe = kr.SequenceClassifier(family, schedule=schedule)
    recipe.fit(train, val, verbose=False)
    recipe.model_.save(to / f"{family}.keras")
    values = {f"{side}{i}": one.values for side, signals in (("train", train), ("test", test))
              for i, one in enumerate(signals.signals)}  # fmt: skip
    np.savez(to / "signals.npz", **values)


def converted(model, way: str, signals: list[np.ndarray]) -> bytes:
    """Return a file of one input of any length."""
    import keras
    import tensorflow as tf

    from kerasrecipes.export.tflite.graph import KERNELS, _operators
    from kerasrecipes.surgery.converting.converter import tflite_converter

    one = keras.Input(batch_shape=(1, *model.input.shape[1:]), name="signal")
    with tflite_converter(keras.Model(one, model(one))) as converter:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if way == "dynamic":
            return converter.convert()
        converter.representative_dataset = lambda: ([x[None]] for x in signals)
        if way == "all":
            return converter.convert()
        lite = tf.lite.experimental
        debugger = lite.QuantizationDebugger(converter=converter)
        operators, _ = _operators(debugger.calibrated_model)
        others = [one.tensor for one in operators if one.name not in KERNELS]
        debugger.options = lite.QuantizationDebugOptions(denylisted_nodes=others)
        return debugger.get_nondebug_quantized_model()


def ask(folder: Path, family: str, way: str) -> None:
    """Print how a file answers beside the network, and what it takes."""
    warnings.simplefilter("ignore")
    import keras
    from ai_edge_litert.interpreter import Interpreter

    import kerasrecipes.backbones.signals  # noqa: F401  so that its layers are known

    model = keras.models.load_model(folder / f"{family}.keras")
    with np.load(folder / "signals.npz") as kept:
        known = {name: kept[name].astype(np.float32) for name in kept.files}
    learned, asked = (
        [x for name, x in known.items() if name.startswith(side)] for side in ("train", "test")
    )
    content = converted(model, way, learned[:128])
    interpreter = Interpreter(model_content=content, num_threads=1)
    takes, gives = (
        side[0]["index"]
        for side in (interpreter.get_input_details(), interpreter.get_output_details())
    )
    found, seconds = [], []
    for x in asked:
        interpreter.resize_tensor_input(takes, (1, *x.shape))
        interpreter.allocate_tensors()
        interpreter.set_tensor(takes, x[None])
        begun = time.process_time()
        interpreter.invoke()
        seconds.append(time.process_time() - begun)
        found.append(interpreter.get_tensor(gives)[0].argmax())
    right = [np.asarray(model(x[None]))[0].argmax() for x in asked]
    same = np.mean(np.array(found) == np.array(right))
    size, ms = len(content) / 1e3, np.median(seconds) * 1e3
    print(f"| {family} | {WAYS[way]} | {same:.3f} | {size:.0f} | {ms:.3f} |")


def main() -> None:
    """Print a line for each network and way."""
    folder, families = Path(sys.argv[1]), sys.argv[2:] or FAMILIES
    with TemporaryDirectory() as kept:
        for family in families:
            train(folder, family, Path(kept))
            for way in WAYS:
                command = [sys.executable, __file__, "--ask", kept, family, way]
                done = subprocess.run(command, capture_output=True, text=True)
                print(
                    done.stdout.strip()
                    or f"| {family} | {WAYS[way]} | ended with {done.returncode} | | |",
                    flush=True,
                )


if __name__ == "__main__":
    ask(Path(sys.argv[2]), *sys.argv[3:]) if sys.argv[1] == "--ask" else main()
