"""Scoring very many examples: list them, share them out, write each shard once, sum up."""

import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from kerasrecipes.arguments import named
from kerasrecipes.bundles.bundle import BundleFolder
from kerasrecipes.console import bar, kept_if_interrupted
from kerasrecipes.drift.profile import PROFILE_FILE
from kerasrecipes.errors import is_number, require, unknown_name
from kerasrecipes.files import locked_folder, write_whole
from kerasrecipes.scoring.job import SUMMARY, Form, Job, answering
from kerasrecipes.scoring.listing import list_for
from kerasrecipes.scoring.local import run_local
from kerasrecipes.scoring.on_ray import run_ray
from kerasrecipes.scoring.on_spark import run_spark
from kerasrecipes.scoring.result import MEASURED, Scored, summed_up
from kerasrecipes.serve.predictor import Predictor

Shards = Iterable[tuple[int, Sequence[str]]]
Engine = Callable[[Job, Path, Shards, int], Iterator[int]]
ENGINES: dict[str, Engine] = {"local": run_local, "ray": run_ray, "spark": run_spark}
NEEDED = {"ray": ("ray", "ray.data"), "spark": ("pandas", "pyarrow", "pyspark.sql")}
SHARD_SIZE = 512


@named
def score(
    model: BundleFolder | str | Path,
    source: str | Path,
    to: str | Path,
    *,
    engine: str = "local",
    workers: int = 1,
    form: str = "jsonl",
    shard_size: int = SHARD_SIZE,
    top: int | None = None,
    export: str | None = None,
) -> Scored:
    """Let a saved model answer very many examples, in processes that share them.

    The examples are divided into shards; each shard's answers are one file, which is whole or not
    there. A job that was killed goes on when it is called again: only missing shards are answered.
    The files are the same to the byte whatever the engine, the number of workers, and whether any
    of them was killed. An example that cannot be used becomes a row with the reason; so does one
    at which three workers of the local engine have ended; Ray and Spark try shards anew by their
    own settings.

    Args:
        model: A `Bundle`, its folder, or a `.tflite` or `.onnx` file.
        source: A folder of photos (or files of texts or signals), a `.txt` file with a path in
            each line, or a table with a column `path`. Paths are absolute, or relative to that.
            Or the address of one in an object store; see `scan_photos`.
        to: The folder of the answers: a new one, or that of the same job.
        engine: Who does the work: `"local"`, processes on this machine; `"ray"`; or `"spark"`.
            Ray and Spark are asked where they are started already, as by `ray.init(address=…)`, or
            started on this machine. On several machines, all must see `model`, `source` and `to`.
        workers: Number of shards that are answered at once, each with one thread. A session of
            Spark that is open already has its own number.
        form: `"jsonl"`, `"csv"` or `"parquet"`.
        shard_size: How many examples are one shard, at least 1.
        top: Keep only this many classes in the scores; all by default.
        export: Which export of a bundle; by default as `Predictor` chooses.

    Returns:
        What was answered in all, and whether the examples are as those of the model's profile.

    Raises:
        DataError: If the model cannot answer, there is nothing to score, or `to` holds another job.
        ValueError: If an argument cannot be used.
        IntegrityError: If a file of the model was changed.
        MissingDependencyError: If what the engine or Parquet needs is not installed.
        OSError: If nothing can be written.
    """
    _check(engine, form, workers=workers, shard_size=shard_size, top=top)
    place, record, digest = answering(model, export)
    predictor = Predictor(place, threads=1, export=record if place.is_dir() else export)
    listing = list_for(predictor, source)
    count = len(listing.names)
    watched = place.is_dir() and PROFILE_FILE in BundleFolder.load(place).manifest.sha256
    job = Job(
        model=str(place),
        export=record,
        digest=digest,
        base=str(listing.base),
        inputs=listing.digest(),
        count=count,
        shard_size=shard_size,
        form=Form(form),
        top=top,
        share=min(1.0, MEASURED / count) if watched else 0.0,
    )
    to, began, done = Path(to), time.monotonic(), 0
    with kept_if_interrupted(to), locked_folder(to), bar("Scoring") as show:
        job.keep(to)
        missing = list(job.missing(to))
        parts = ((n, listing.names[n * shard_size : (n + 1) * shard_size]) for n in missing)
        for done, _ in enumerate(ENGINES[engine](job, to, parts, workers), start=1):
            show(done, len(missing))
        found = summed_up(job, to, done, time.monotonic() - began)
        write_whole(to / SUMMARY, (json.dumps(found.to_dict(), indent=1) + "\n").encode())
    return found


def _check(engine: str, form: str, **numbers: int | None) -> None:
    if engine not in ENGINES:
        raise unknown_name("engine", engine, ENGINES, "the docstring of score")
    if form not in set(Form):
        raise unknown_name("form", form, [str(one) for one in Form], "the docstring of score")
    for name, value in numbers.items():
        needless = value is None and name == "top"
        if not needless and not is_number(value, 1, math.inf, whole=True):
            raise ValueError(f"`{name}` must be a whole number ≥ 1, received {value!r}.")
    if form == Form.PARQUET:
        require("pyarrow", "parquet", "Parquet")
    for module in NEEDED.get(engine, ()):
        require(module, engine, f"The engine '{engine}'")
