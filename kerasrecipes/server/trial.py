"""One candidate beside the version in use: which of them is which, and what both say."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from kerasrecipes.rollout.judge import CANDIDATE, CHAMPION, Evidence, Judge, Seen
from kerasrecipes.rollout.record import Rollout
from kerasrecipes.serve.predictor import Prediction
from kerasrecipes.server.models import Served

# So many answers are bet on together, and so many of one request of tensors are compared.
TOGETHER = 20


@dataclass(eq=False)
class Trial:
    """A rollout on this server.

    Args:
        rollout: What is tried, and how.
        champion: The version in use.
        candidate: The other.
        judge: What is known.
        fresh: What others do not know yet.
        over: Why the candidate answers no more; empty while it does.
        lock: Who looks at what is known holds it.
        waiting: How many answers were seen since they were last bet on.
    """

    rollout: Rollout
    champion: Served
    candidate: Served
    judge: Judge
    fresh: dict[str, Evidence] = field(default_factory=dict)
    over: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)
    waiting: int = 0

    def side(self, served: Served) -> str:
        """Return which one a version is."""
        return CANDIDATE if served is self.candidate else CHAMPION

    def other(self, served: Served) -> Served:
        """Return the other one."""
        return self.champion if served is self.candidate else self.candidate

    @property
    def same_input(self) -> bool:
        """Whether both take the same tensors."""
        one, two = self.champion.predictor.input, self.candidate.predictor.input
        return (one.name, one.shape, one.dtype) == (two.name, two.shape, two.dtype)

    def settle(self, always: bool = False) -> bool:
        """Look at what was seen, once there is enough of it, and hold the lock for that.

        Returns:
            Whether that ends it.
        """
        self.waiting += 1
        if self.waiting < TOGETHER and not always:
            return False
        self.waiting = 0
        for name, one in self.judge.settle().items():
            self.fresh.setdefault(name, Evidence.none(len(one.total))).add(one)
        if not self.over and (reason := self.judge.reason()) is not None:
            self.over = reason
            return True
        return False


@dataclass(frozen=True)
class Turn:
    """Who answers a request.

    Args:
        served: The version.
        trial: The rollout that it is part of.
        compare: Whether the other version is asked, too, unseen.
    """

    served: Served
    trial: Trial | None = None
    compare: bool = False

    @property
    def is_tried(self) -> bool:
        """Whether it is the candidate that answers."""
        return self.trial is not None and self.served is self.trial.candidate

    def instead(self) -> "Turn":
        """Return the turn of the version in use, for what the candidate does not answer."""
        return self if self.trial is None else Turn(self.trial.champion, self.trial, self.compare)


def seen_of(found: Prediction, ms: float | None) -> Seen:
    """Return what is compared of an answer."""
    labels = found.labels or ((found.label,) if found.label else ())
    return Seen(bool(found.error), ms, tuple(sorted(labels)), found.number, found.alarm)


def asked_unseen(served: Served, content: bytes) -> Seen:
    """Ask a version about a photo or text; whatever it does, nobody waits for it."""
    predictor, started = served.predictor, time.perf_counter()
    try:
        one = predictor.decode(content)
        found = predictor.read(predictor.model(one[None]))
    except Exception as error:
        served.tell_once(error)
        return Seen(failed=True)
    return seen_of(found, (time.perf_counter() - started) * 1e3)


def computed_unseen(served: Served, examples: np.ndarray) -> list[Seen]:
    """Ask a version about a batch of tensors; whatever it does, nobody waits for it."""
    started = time.perf_counter()
    try:
        answers = served.predictor.model(examples)
        each = (time.perf_counter() - started) * 1e3 / len(examples)
        return read_rows(served, answers, len(examples), each)
    except Exception as error:
        served.tell_once(error)
        return [Seen(failed=True)] * len(examples)


def read_rows(
    served: Served, answers: Mapping[str, np.ndarray], count: int, ms: float
) -> list[Seen]:
    """Return what is compared of each row of a batch of answers, which took `ms` a row."""
    rows = [{name: found[k : k + 1] for name, found in answers.items()} for k in range(count)]
    return [seen_of(served.predictor.read(row), ms) for row in rows]
