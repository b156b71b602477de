"""How small and fast does a trained model get, and what does it lose on test photos?

    python tests/benchmarks/compression.py elpv  --to out [--run 0] [--on val] [--steps int8 qat]
    python tests/benchmarks/compression.py tiles --to out --table tiles.csv

Fits the default recipe on one split, and makes it smaller in each way, training only on the
training photos and choosing weights by the validation photos. Each file is then run in LiteRT
on the test photos, and timed in turns with the float file. What lies in `--to` already is not
made again, so that `--on test` can judge what was chosen with `--on val`. Prints a Markdown
section for RESULTS.md.
"""

import argparse
import sys
import time
import zlib
from functools import cache
from pathlib import Path

from quality import elpv_splits, tile_splits

import kerasrecipes as kr
from kerasrecipes.bundles.contract import Contract
from kerasrecipes.environment import library_versions
from kerasrecipes.export import get_format
from kerasrecipes.optimization.search.candidate import FileJudge


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", choices=["elpv", "tiles"])
    parser.add_argument("--table", help="the table of the tiles")
    parser.add_argument("--to", type=Path, required=True, help="where to keep models and files")
    parser.add_argument("--run", type=int, default=0, help="seed, or fold")
    parser.add_argument("--augment", default="factory")
    parser.add_argument("--loss", help="the recipe's loss; the default is cross-entropy")
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--minutes", type=float, default=20, help="for the search")
    parser.add_argument("--on", choices=["val", "test"], default="test", help="judge on these")
    arguments = parser.parse_args()
    arguments.seeds, arguments.folds = [arguments.run], 5
    splits = elpv_splits(arguments) if arguments.data == "elpv" else tile_splits(arguments)
    train, val, test = dict(splits)[arguments.run]
    arguments.to.mkdir(parents=True, exist_ok=True)
    recipe = fitted(arguments, train, val)
    photos = val if arguments.on == "val" else test
    files = FileMaker(arguments.to, photos, arguments.minutes)
    files.add("float32", lambda: recipe, "float32")
    for step in arguments.steps:
        STEPS[step](files, recipe, train, val)
    print(files.as_markdown(" ".join(["python", *sys.argv])))


def fitted(arguments, train, val):
    """Fit the recipe, or load the one that is kept."""
    kept = arguments.to / "fitted"
    if not kept.exists():
        settings = {"augment": arguments.augment, "loss": arguments.loss, "seed": arguments.run}
        recipe = kr.ImageClassifier(**settings)
        recipe.fit(train, val)
        recipe.save(kept)
    return kr.ImageClassifier.load(kept)


class FileMaker:
    """Writes files once, and judges each by the photos."""

    def __init__(self, folder: Path, photos, minutes: float):
        self.folder = folder
        self.minutes = minutes
        self.judge = FileJudge(photos, folder / "float32.tflite")
        self.rows = []

    def add(self, name: str, make, quantization: str) -> None:
        """Measure the file of the model that `make` returns, unless it was written before."""
        path = self.folder / f"{name}.tflite"
        minutes = path.with_suffix(".seconds")
        if not minutes.exists():
            started = time.monotonic()
            model = make()
            if isinstance(model, bytes):
                path.write_bytes(model)
            elif isinstance(model, kr.QuantizedModel):
                path.write_bytes(model.content)
            else:
                get_format("tflite").write(
                    model.model_,
                    path,
                    quantization=quantization,
                    contract=Contract.from_dict({"class_names": list(model.labels_)}),
                )
            minutes.write_text(str(time.monotonic() - started))
        seconds = float(minutes.read_text())
        zipped = len(zlib.compress(path.read_bytes(), 9))
        self.rows.append((self.judge.measure(path, name, quantization, seconds), zipped))
        print(self.rows[-1], file=sys.stderr, flush=True)

    def as_markdown(self, command: str) -> str:
        versions = ", ".join(f"{name} {number}" for name, number in library_versions().items())
        lines = [f"`{command}`", "", versions, ""]
        lines += [
            "| file | accuracy | drop in points (95 % interval) | worst class | size | zipped "
            "| latency | minutes |",
            "|---|---|---|---|---|---|---|---|",
        ]
        (first, first_zipped), *_ = self.rows
        for one, zipped in self.rows:
            low, high = (100 * end for end in one.drop_interval)
            lines.append(
                f"| {one.model} | {one.accuracy:.3f} | {100 * one.drop:.1f} ({low:.1f} to "
                f"{high:.1f}) | {one.worst_class}: {100 * one.worst_drop:.1f} "
                f"| {one.size_bytes / first.size_bytes:.1%} | {zipped / first_zipped:.1%} "
                f"| {one.latency_ratio:.2f} | {one.seconds / 60:.1f} |"
            )
        return "\n".join(lines)


def add_int8(files: FileMaker, recipe, train, val) -> None:
    files.add("int8", lambda: kr.quantize(recipe, "int8", train=train), "int8")


def add_qat(files: FileMaker, recipe, train, val) -> None:
    files.add(
        "int8, trained with rounding",
        lambda: kr.quantize(recipe, "qat", train=train, val=val),
        "int8",
    )


def add_channels(files: FileMaker, recipe, train, val) -> None:
    @cache
    def pruned():
        return kr.prune(recipe, train, val, max_multiply_adds=0.4)

    files.add("two fifths of the multiply-adds", pruned, "float32")
    files.add(
        "two fifths of the multiply-adds, int8",
        lambda: kr.quantize(pruned(), "int8", train=train),
        "int8",
    )


def add_zeros(files: FileMaker, recipe, train, val) -> None:
    files.add("80 % zeros", lambda: kr.prune(recipe, train, val, sparsity=0.8), "float32")


def add_search(files: FileMaker, recipe, train, val) -> None:
    def picked() -> bytes:
        found = kr.optimize(recipe, train, val, max_drop=0.01, max_minutes=files.minutes)
        print(found, file=sys.stderr)
        bundle = found.save(files.folder / "picked")
        (path,) = bundle.folder.glob("exports/*/model.tflite")
        return path.read_bytes()

    files.add("the pick of optimize(max_drop=0.01)", picked, "int8")


STEPS = {
    "int8": add_int8,
    "qat": add_qat,
    "channels": add_channels,
    "zeros": add_zeros,
    "search": add_search,
}


if __name__ == "__main__":
    main()
