"""Shards as rows of a table, for engines that work on tables: a number, and names as JSON."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasrecipes.errors import KerasRecipesError, first_line
from kerasrecipes.scoring.job import Job
from kerasrecipes.scoring.shard import scorer_of


def rows_of(shards: Iterable[tuple[int, Sequence[str]]]) -> Iterator[tuple[int, str]]:
    """Yield shards as rows."""
    return ((number, json.dumps(list(names))) for number, names in shards)


@dataclass(frozen=True)
class RowAnswering:
    """What answers rows on a worker; it is sent there.

    Args:
        job: The job.
        to: The folder of the answers.
    """

    job: Job
    to: str

    def answer(self, number: int, names: str) -> None:
        """Answer one shard."""
        scorer_of(self.job).score(Path(self.to), int(number), json.loads(names))

    def batch(self, rows: Any) -> dict[str, Any]:
        """Answer a batch of Ray: columns by name."""
        for number, names in zip(rows["number"], rows["names"], strict=True):
            self.answer(number, str(names))
        return {"number": rows["number"]}

    def frames(self, frames: Iterable[Any]) -> Iterator[Any]:
        """Answer frames of pandas, as Spark passes them."""
        for frame in frames:
            for number, names in zip(frame["number"], frame["names"], strict=True):
                self.answer(number, names)
            yield frame[["number"]]


def behind(error: Exception, engine: str) -> Exception:
    """Return what was behind an error of an engine, as far as people can do something about it.

    Args:
        error: What the engine raised.
        engine: What to call it.
    """
    one: Any = error
    while one is not None:
        if isinstance(one, KerasRecipesError | OSError):
            return one
        one = getattr(one, "cause", None) or one.__cause__
    told = [line for line in str(error).splitlines() if ".errors." in line or "OSError" in line]
    return RuntimeError(f"{engine} could not go on: {told[-1] if told else first_line(error)}")
