"""One prediction as it is kept and sent: numbers and words, no photo."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from kerasrecipes.records import checked, parse_json

# A class, several labels, or a number.
Truth = str | tuple[str, ...] | float
_Text = Field(default="", max_length=300)


class JournalEntry(BaseModel):
    """One prediction.

    Args:
        request_id: What tells it from all others, e.g. a UUID.
        at: When, by the clock of who answered; seconds since 1970. `None` for now.
        bundle: Name of the model, e.g. `"tiles"`.
        version: Its version; 0 where it has none, as a lone file.
        digest: SHA-256 of its `bundle.json`, or of the lone file.
        label: The class, or the labels joined by a comma; empty where there is none.
        confidence: Score of the answer, 0…1; `None` where it has none, as a number.
        abstained: Whether the answer was left to a person; `None` where that cannot be.
        alarm: Whether an alarm was raised; `None` where none can be.
        novelty: How unlike good examples it is; `None` where the model does not tell.
        number: The number that was answered; `None` where that is not what is asked for.
        answer: All scores in the order of the model's classes, or the number; empty if not kept.
        inputs: What was measured of the input, as the model's profile names it; for drift.
        features: What the model saw in it, in the directions of its profile; for drift.
        latency_ms: How long the caller waited; `None` if not measured.
        error: Why there is no answer, in a few words that stay the same; empty if there is one.
        degraded: Why a smaller model answered than is used else, e.g. `"hot"`; empty if none did.
        stands_for: How many requests it stands for, where only some were kept.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    request_id: str = Field(min_length=1, max_length=100)
    at: FiniteFloat | None = None
    bundle: str = _Text
    version: int = Field(default=0, ge=0, lt=2**31)
    digest: str = _Text
    label: str = Field(default="", max_length=10_000)
    confidence: FiniteFloat | None = None
    abstained: bool | None = None
    alarm: bool | None = None
    novelty: FiniteFloat | None = None
    number: FiniteFloat | None = None
    answer: tuple[FiniteFloat, ...] = Field(default=(), max_length=100_000)
    inputs: dict[str, FiniteFloat] = Field(default={}, max_length=100)
    features: tuple[FiniteFloat, ...] = Field(default=(), max_length=4096)
    latency_ms: FiniteFloat | None = Field(default=None, ge=0)
    error: str = _Text
    degraded: str = _Text
    stands_for: int = Field(default=1, ge=1, lt=2**31)


@dataclass(frozen=True)
class Logged:
    """One line of a journal.

    Args:
        row: Its place; later lines have higher ones, for ever.
        received: When it was written, by this machine's clock; seconds since 1970.
        entry: What was asked and answered.
        truth: What should have been answered, once somebody has said so; else `None`.
        truth_row: Place of that among all truths; 0 without one.
    """

    row: int
    received: float
    entry: JournalEntry
    truth: Truth | None = None
    truth_row: int = 0


@dataclass(frozen=True)
class JournalCounts:
    """How much a journal holds, and what it no longer does.

    Args:
        entries: Predictions in it.
        truths: Labels in it, also for predictions that have not come yet.
        dropped_entries: Predictions that made room for later ones.
        dropped_truths: Labels that did.
        duplicates: Predictions that came again, and were not counted again.
        dropped_at_sources: Predictions that devices dropped before they could send them.
    """

    entries: int
    truths: int
    dropped_entries: int
    dropped_truths: int
    duplicates: int
    dropped_at_sources: int = 0


class _Told(BaseModel):
    model_config = ConfigDict(allow_inf_nan=False)

    truth: Truth


def row_of_entry(entry: JournalEntry, now: float, source: str) -> tuple[Any, ...]:
    """Return an entry as a row of a journal.

    Args:
        entry: The prediction.
        now: When it was, where it does not say.
        source: The device that sent it.
    """
    told = entry.model_dump(exclude={"stands_for"})
    told["at"] = now if entry.at is None else entry.at
    told["answer"] = np.array(entry.answer, "<f4").tobytes()
    told["inputs"] = json.dumps(entry.inputs)
    told["features"] = np.array(entry.features, "<f2").tobytes()
    return (*told.values(), source, entry.stands_for)


def entry_from_row(row: tuple[Any, ...]) -> JournalEntry:
    """Return the entry that `row_of_entry` has written.

    Args:
        row: The row; the device is not part of the entry.

    Raises:
        ValueError: If it is damaged.
    """
    names = [name for name in JournalEntry.model_fields if name != "stands_for"]
    told = dict(zip(names, row, strict=False))
    told["answer"] = tuple(np.frombuffer(told["answer"], "<f4").tolist())
    told["inputs"] = parse_json(told["inputs"])
    told["features"] = tuple(np.frombuffer(told["features"], "<f2").tolist())
    return JournalEntry(**told, stands_for=row[-1])


def truth_of(text: str) -> Truth:
    """Return what should have been answered, from JSON text.

    Args:
        text: A class in quotes, a list of labels, or a number.

    Raises:
        ValueError: If it is something else.
    """
    return checked(_Told, {"truth": parse_json(text)}).truth
