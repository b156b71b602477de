"""How good are texts by the defaults, what does the small file lose, and what does it all cost?

    python tests/benchmarks/texts.py probe banking77/
    python tests/benchmarks/texts.py few banking77/ [--seeds 0 1 2] [--per-class 10]
    python tests/benchmarks/texts.py full banking77/ [--seeds 0]
    python tests/benchmarks/texts.py cost banking77/ [--texts 320]
    python tests/benchmarks/texts.py scope banking77/ [--seeds 0 1] [--per-class 10] [--left-out 20]

`banking77` holds the files `train.tsv` and `test.tsv` of that data set: a label and a text in each
line. What is chosen is chosen by a part of the training texts; the test is asked once. `few` learns
from so many texts of each class, and one more of each stands for a validation, which is too small
to choose by, so that nothing is. `cost` trains the recipe and KerasHub's own TextClassifier, with
the same weights and its own preprocessor, for one epoch each on the same few texts. `scope` leaves
some of the classes out of the training texts, and asks how well texts of these, and first sentences
of the documentation of Python, are told from others; the test is not asked.

CPU seconds are those of all threads of this process. Prints a Markdown section for RESULTS.md.
"""

import argparse
import ast
import csv
import sys
import sysconfig
import tempfile
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

import kerasrecipes as kr
from kerasrecipes.data.inference import answers_by_output
from kerasrecipes.environment import library_versions

VAL_FRACTION = 0.05
LENGTHS = (16, 64)
MOST_OTHERS = 300
ASIDE = 0.05


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=sorted(MEASURED))
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--per-class", type=int, default=10)
    parser.add_argument("--left-out", type=int, default=20, help="classes, of `scope`")
    parser.add_argument("--texts", type=int, default=320, help="texts that `cost` trains on")
    parser.add_argument("--run-folder", type=Path, help="where `full` can go on after a break")
    given = parser.parse_args()
    rows = [MEASURED[given.what](scanned(given.data), seed, given) for seed in given.seeds]
    print(as_markdown(rows, " ".join(["python", *sys.argv])))


def scanned(folder: Path):
    """Return the training texts, without those that the test asks, and the test."""
    sides = {}
    for side in ("test", "train"):
        with open(folder / f"{side}.tsv", encoding="utf-8", newline="") as file:
            lines = [line.rstrip("\r\n").split("\t", 1) for line in file]
        known = {text for _, text in sides.get("test", ())}
        sides[side] = [(label, text) for label, text in lines if text not in known]
    with tempfile.TemporaryDirectory() as place:
        table = Path(place, "banking77.csv")
        with open(table, "w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(("label", "text", "split"))
            rows.writerows((*row, side) for side in ("train", "test") for row in sides[side])
        texts = kr.scan_texts(table)
    of_side = [np.array([one.split == side for one in texts.texts]) for side in ("train", "test")]
    return tuple(texts.select(np.flatnonzero(mask)) for mask in of_side)


def drawn(texts, counts: tuple[int, ...], seed: int):
    """Draw sets with so many texts of each class."""
    rng = np.random.default_rng(seed)
    of_class = [rng.permutation(np.flatnonzero(texts.labels == k)) for k in set(texts.labels)]
    ends = np.cumsum((0, *counts))
    return [
        texts.select(np.concatenate([members[start:end] for members in of_class]))
        for start, end in pairwise(ends)
    ]


def split(texts, seed: int):
    """Put a part of the texts of each class aside to choose by."""
    rng = np.random.default_rng(seed)
    aside = []
    for k in range(len(texts.class_names)):
        members = rng.permutation(np.flatnonzero(texts.labels == k))
        aside.append(members[: max(3, round(VAL_FRACTION * len(members)))])
    val = np.concatenate(aside)
    return texts.select(np.setdiff1d(np.arange(len(texts)), val)), texts.select(val)


def probe(sides, seed: int, given) -> dict[str, float]:
    """The best linear model of the frozen backbone, as a fit begins with."""
    train, val = split(sides[0], seed)
    alone = kr.UnfreezeSchedule.head_only()
    return fitted(train, val, sides[1], seed, start="probe", schedule=alone)[1]


def few(sides, seed: int, given) -> dict[str, float]:
    train, val = drawn(sides[0], (given.per_class, 1), seed)
    return fitted(train, val, sides[1], seed)[1]


def full(sides, seed: int, given) -> dict[str, float]:
    """Everything fine-tuned on all training texts, and its files."""
    train, val = split(sides[0], seed)
    folder = given.run_folder and given.run_folder / str(seed)
    recipe, row = fitted(train, val, sides[1], seed, folder)
    with tempfile.TemporaryDirectory() as folder:
        bundle = recipe.save(Path(folder) / "model")
        records = [bundle.export("tflite", q) for q in ("float32", "dynamic")]
        exact, small = ({"size": one.path.stat().st_size} | times(one.path) for one in records)
        predictor = kr.Predictor(records[1].path)
        texts = [one.text for one in sides[1].texts]
        said = np.array([answer.label for answer in predictor.predict(texts)])
    names = np.array(sides[1].class_names)
    small_right = said == names[sides[1].labels]
    return {
        **row,
        "accuracy of the 8-bit file": small_right.mean(),
        "its size, of the float file's": small["size"] / exact["size"],
        **{f"CPU ms of it at {n} tokens": small[n] for n in LENGTHS},
        **{f"the same, of the float file's, at {n}": small[n] / exact[n] for n in LENGTHS},
    }


def times(path: Path, runs: int = 60) -> dict[int, float]:
    """Return the median CPU milliseconds of one text on one thread, by its tokens."""
    from ai_edge_litert.interpreter import Interpreter

    found = {}
    for length in LENGTHS:
        interpreter = Interpreter(str(path), num_threads=1)
        for one in interpreter.get_input_details():
            interpreter.resize_tensor_input(one["index"], (1, length))
        interpreter.allocate_tensors()
        for one in interpreter.get_input_details():
            interpreter.set_tensor(one["index"], np.ones((1, length), np.int32))
        spent = []
        for _ in range(runs):
            started = time.process_time()
            interpreter.invoke()
            spent.append(1e3 * (time.process_time() - started))
        found[length] = float(np.median(spent))
    return found


def cost(sides, seed: int, given) -> dict[str, float]:
    """CPU seconds of one epoch over everything, ours and KerasHub's, compiling apart."""
    per_class = max(1, given.texts // len(sides[0].class_names))
    train, val = drawn(sides[0], (per_class, 1), seed)
    ours = recipe_seconds(train, val, seed)
    fixed, at_length = hub_seconds(train, seed)
    return {
        "run": seed,
        "texts": len(train),
        "CPU s of an epoch, recipe": ours,
        f"CPU s of an epoch, KerasHub at its {at_length} tokens": fixed,
        "times less": fixed / ours,
    }


def recipe_seconds(train, val, seed: int) -> float:
    """Return the CPU seconds of the second of two epochs; the first compiles."""
    import keras

    class Epochs(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.seconds, self.began = [], None

        def on_epoch_begin(self, epoch, logs=None):
            self.began = time.process_time()

        def on_test_begin(self, logs=None):
            if self.began is not None:
                self.seconds.append(time.process_time() - self.began)
                self.began = None

    clock = Epochs()
    schedule = kr.UnfreezeSchedule.full(2, 5e-5)
    kr.TextClassifier(schedule=schedule, seed=seed).fit(train, val, callbacks=[clock])
    return clock.seconds[-1]


def hub_seconds(train, seed: int) -> tuple[float, int]:
    """Return the same of KerasHub's classifier, and its length."""
    import keras
    import keras_hub

    from kerasrecipes.backbones.texts.minilm import _file

    keras.utils.set_random_seed(seed)
    with tempfile.TemporaryDirectory() as folder:
        source = _file("tokenizer.json").parent
        for file in source.iterdir():
            (Path(folder) / file.name).symlink_to(file)
        classifier = keras_hub.models.BertTextClassifier.from_preset(
            folder, num_classes=len(train.class_names)
        )
    classifier.compile(
        keras.optimizers.AdamW(5e-5),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    texts, labels = np.array([one.text for one in train.texts]), train.labels
    classifier.fit(texts[:32], labels[:32], batch_size=32, verbose=0)  # compiles
    started = time.process_time()
    classifier.fit(texts, labels, batch_size=32, verbose=0)
    return time.process_time() - started, classifier.preprocessor.sequence_length


def scope(sides, seed: int, given) -> dict[str, float]:
    """How well novelty, and the highest score, tell what is of no known class."""
    rng, texts = np.random.default_rng(seed), sides[0]
    left_out = set(rng.permutation(texts.class_names)[: given.left_out])
    names = tuple(name for name in texts.class_names if name not in left_out)
    known = [one for one in texts.texts if one.label not in left_out]
    known = replace(texts.with_items(known), class_names=names)
    train, val, test = drawn(known, (given.per_class, 10, 15), seed)
    others = [one.text for one in texts.texts if one.label in left_out]
    asked = {
        "requests of other classes": list(rng.permutation(others))[:MOST_OTHERS],
        "sentences about Python": list(rng.permutation(sentences()))[:200],
    }
    recipe, row = fitted(
        train, val, test, seed, start="probe",
        schedule=kr.UnfreezeSchedule.head_only(), out_of_scope=ASIDE,
    )  # fmt: skip

    def answers(found) -> dict[str, np.ndarray]:
        scores, novelty = answers_by_output(recipe.model_, recipe._as_fitted(found))
        return {"novelty": novelty[:, 0], "the highest score": -scores.max(axis=1)}

    inside, limit = answers(test), recipe.fitted_.others[0].thresholds[0]
    row["set aside of known classes"] = np.mean(inside["novelty"] >= limit)
    for what, given_texts in asked.items():
        items = [replace(known.texts[0], text=text) for text in given_texts]
        outside = answers(known.with_items(items))
        row[f"{what}: set aside"] = np.mean(outside["novelty"] >= limit)
        for by, values in outside.items():
            below = np.searchsorted(np.sort(inside[by]), values)
            row[f"{what}: AUROC of {by}"] = np.mean(below) / len(inside[by])
    return row


def sentences() -> list[str]:
    """First sentences of the documentation of the standard library, of 5 to 15 words."""
    found = {}
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                told = " ".join((ast.get_docstring(node) or "").split())
                found[told.partition(". ")[0]] = None
    return [told for told in found if 5 <= len(told.split()) <= 15]


def fitted(train, val, test, seed: int, run_folder: Path | None = None, **settings):
    recipe, clock = kr.TextClassifier(seed=seed, **settings), Clock()
    begun = run_folder is not None and run_folder.exists()
    recipe.fit(train, val, run_folder=run_folder, resume=begun)
    row = {"run": seed, "texts": len(train), **clock.row(), **right(recipe.predict(test), test)}
    print(row, file=sys.stderr, flush=True)
    return recipe, row


def right(answers: np.ndarray, test) -> dict[str, float]:
    truth = answers[np.arange(len(test)), test.labels]
    losses = -np.log(np.maximum(truth, 1e-15))
    return {"accuracy": np.mean(answers.argmax(1) == test.labels), "log-loss": losses.mean()}


class Clock:
    def __init__(self):
        self._wall, self._cpu = time.monotonic(), time.process_time()

    def row(self) -> dict[str, float]:
        seconds = time.process_time() - self._cpu
        return {"CPU s": seconds, "minutes": (time.monotonic() - self._wall) / 60}


MEASURED = {"probe": probe, "few": few, "full": full, "cost": cost, "scope": scope}


def as_markdown(rows: list[dict[str, float]], command: str) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in library_versions().items())
    names = [name for name in rows[0] if name != "run"]
    lines = [f"`{command}`", "", versions, ""]
    lines += ["| | " + " | ".join(f"seed {row['run']}" for row in rows) + " | mean | sd |"]
    lines += ["|---|" + "---|" * (len(rows) + 2)]
    for name in names:
        values = np.array([row[name] for row in rows], dtype=float)
        spread = values.std(ddof=1) if len(values) > 1 else float("nan")
        cells = [f"{value:.4g}" for value in (*values, values.mean(), spread)]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
