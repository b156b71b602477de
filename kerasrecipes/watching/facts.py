"""What a journal says of a span of requests, in numbers."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kerasrecipes.serve.entry import Logged
from kerasrecipes.statistics.estimate import encode_float

_LABELS = 8


@dataclass(frozen=True)
class Facts:
    """Requests since the last run.

    Args:
        requests: How many; each kept line counts as many as it stands for.
        errors: How many of them got no answer.
        p50_ms: Half of the callers waited no longer; NaN where nothing was measured.
        p95_ms: 95 of 100 did.
        p99_ms: 99 of 100 did.
        confidence: Mean confidence.
        abstained: How many answers were left to a person.
        alarms: How many raised an alarm.
        degraded: How many a smaller model answered, since a device was hot or slow.
        labels: The most frequent answers, and how often each was given.
    """

    requests: int
    errors: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    confidence: float
    abstained: int
    alarms: int
    degraded: int
    labels: tuple[tuple[str, int], ...]

    @classmethod
    def of(cls, lines: Sequence[Logged]) -> "Facts":
        """Sum up lines.

        Args:
            lines: The lines.
        """
        entries = [line.entry for line in lines]
        times = [one.latency_ms for one in entries if one.latency_ms is not None]
        sure = [one.confidence for one in entries if one.confidence is not None]
        labels: Counter[str] = Counter()
        for one in entries:
            labels[one.label] += one.stands_for * bool(one.label)
        p50, p95, p99 = np.percentile(times, (50, 95, 99)) if times else (math.nan,) * 3
        return cls(
            requests=sum(one.stands_for for one in entries),
            errors=sum(one.stands_for for one in entries if one.error),
            p50_ms=float(p50),
            p95_ms=float(p95),
            p99_ms=float(p99),
            confidence=float(np.mean(sure)) if sure else math.nan,
            abstained=sum(one.stands_for for one in entries if one.abstained),
            alarms=sum(one.stands_for for one in entries if one.alarm),
            degraded=sum(one.stands_for for one in entries if one.degraded),
            labels=tuple(pair for pair in labels.most_common(_LABELS) if pair[1]),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as plain values for JSON."""
        plain = {**asdict(self), "labels": [list(pair) for pair in self.labels]}
        return {k: encode_float(v) if isinstance(v, float) else v for k, v in plain.items()}
