"""Are worse candidates taken back in time, and equal ones left in peace? Simulated rollouts.

    python tests/benchmarks/rollouts.py [--rollouts 1000]

Each runs through the judge of the server for the 1,000 answers or pairs of a default policy:
three classes of equal share, 2 of 100 answers fail, times are log-normal with a spread of 0.3,
callers are divided at random, three of four to the version in use. By when a worse candidate is
taken back in 95 of 100 is declared beforehand, by `Bet.needed` on what its guard is shown. Prints a
Markdown section for RESULTS.md.
"""

import argparse
import math
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any

import numpy as np

from kerasrecipes.rollout.judge import CANDIDATE, CHAMPION, Judge, Seen
from kerasrecipes.rollout.policy import RolloutPolicy
from kerasrecipes.statistics import wilson_interval

NAMES, LENGTH, TOGETHER, FAILING, PER_CANDIDATE = ("a", "b", "c"), 1000, 20, 0.02, 3
Steps = Callable[[Judge, np.random.Generator, int], Iterator[None]]
SHADOW = {"percent": 0, "shadow_percent": 100}
CANARY = {"percent": 25, "shadow_percent": 0}
REPORTED = {**CANARY, "outcome_range": (0, 1), "max_lower_outcome": 0.02}


def pairs(more_errors: float = 0, otherwise: float = 0) -> Steps:
    """Both versions answer each request."""

    def steps(judge: Judge, rng: np.random.Generator, count: int) -> Iterator[None]:
        places, u = rng.integers(3, size=count), rng.random((count, 3))
        for place, (first, second, third) in zip(places.tolist(), u.tolist(), strict=True):
            other = (place + 1) % 3 if third < otherwise else place
            judge.pair(
                Seen(failed=first < FAILING, labels=(NAMES[place],)),
                Seen(failed=second < FAILING + more_errors, labels=(NAMES[other],)),
            )
            yield

    return steps


def alone(more_errors: float = 0, slower: float = 1, more: float = 0) -> Steps:
    """Each request is answered by one version."""

    def answers(count: int, rng: np.random.Generator, *how: float) -> list[Seen]:
        failing, slow, more = how
        labels = np.searchsorted([1 / 3 + more, 2 / 3 + more / 2], rng.random(count)).tolist()
        failed, ms = (rng.random(count) < failing).tolist(), slow * rng.lognormal(2, 0.3, count)
        return [
            Seen(failed=one, ms=took, labels=(NAMES[place],))
            for one, took, place in zip(failed, ms.tolist(), labels, strict=True)
        ]

    def steps(judge: Judge, rng: np.random.Generator, count: int) -> Iterator[None]:
        champions = iter(answers(PER_CANDIDATE * count, rng, FAILING, 1, 0))
        for one in answers(count, rng, FAILING + more_errors, slower, more):
            for _ in range(PER_CANDIDATE):
                judge.answered(CHAMPION, next(champions))
            judge.answered(CANDIDATE, one)
            yield

    return steps


def reported(lower: float = 0) -> Steps:
    """Callers report 1 in half of all cases, and else 0."""

    def steps(judge: Judge, rng: np.random.Generator, count: int) -> Iterator[None]:
        for *champions, one in rng.random((count, PER_CANDIDATE + 1)).tolist():
            for other in champions:
                judge.outcome(CHAMPION, float(other < 0.5))
            judge.outcome(CANDIDATE, float(one < 0.5 - lower))
            yield

    return steps


CASES: dict[str, tuple[dict[str, Any], Steps, str]] = {
    "equal, in the shadow": (SHADOW, pairs(), ""),
    "at both limits, in the shadow": (SHADOW, pairs(0.01, 0.1), ""),
    "equal, canary": (CANARY, alone(), ""),
    "at all limits, canary": (CANARY, alone(0.01, 1.5, 0.1), ""),
    "equal by what callers report": (REPORTED, reported(), ""),
    "at the limit by what callers report": (REPORTED, reported(0.02), ""),
    "10 points more errors, in the shadow": (SHADOW, pairs(0.1), "errors"),
    "30 points more errors, in the shadow": (SHADOW, pairs(0.3), "errors"),
    "20 % answered otherwise": (SHADOW, pairs(otherwise=0.2), "disagreement"),
    "40 % answered otherwise": (SHADOW, pairs(otherwise=0.4), "disagreement"),
    "30 points more errors, canary": (CANARY, alone(0.3), "errors"),
    "twice as slow, canary": (CANARY, alone(slower=2), "latency"),
    "three times as slow, canary": (CANARY, alone(slower=3), "latency"),
    "one class 30 points more often, canary": (CANARY, alone(more=0.3), "answers"),
    "20 points lower by what callers report": (REPORTED, reported(0.2), "outcome"),
}


def declared(policy: dict[str, Any], steps: Steps, name: str) -> int | None:
    """Return by when a candidate is taken back in 95 of 100, from what its guard is shown."""
    judge, shown = Judge(RolloutPolicy(**policy), NAMES), []
    judge._see = lambda guard, value: shown.append(value) if guard == name else None  # type: ignore[method-assign,assignment]
    for _ in steps(judge, np.random.default_rng(10**6), 20_000):
        pass
    guard = next(one for one in judge.guards if one.name == name)
    values = np.array(shown, np.float64).reshape(len(shown), -1)
    worst = values[:, values.mean(axis=0).argmax()]
    found = guard.bet.needed(
        list(worst), [1 / len(worst)] * len(worst), judge.threshold + math.log(guard.width)
    )
    # Not every answer of a candidate is shown to its guard, and 20 are looked at together.
    return found and math.ceil(found * 20_000 / len(shown)) + TOGETHER


def taken_back(policy: dict[str, Any], steps: Steps, seed: int) -> int | None:
    """Return after how many answers a candidate is taken back, if it is."""
    judge = Judge(RolloutPolicy(**policy), NAMES)
    for number, _ in enumerate(steps(judge, np.random.default_rng(seed), LENGTH), start=1):
        if number % TOGETHER == 0:
            judge.settle()
            if judge.reason() is not None:
                return number
    return None


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rollouts", type=int, default=1000)
    count = parser.parse_args().rollouts
    print("## Rollouts that take themselves back\n\n`python tests/benchmarks/rollouts.py`\n")
    print(f"kerasrecipes {version('kerasrecipes')}, numpy {version('numpy')}\n")
    print(f"| candidate | taken back, of {count:,} (95 %) | declared | in time | median | 95 % |")
    print("|---|---|---|---|---|---|")
    for name, (policy, steps, guard) in CASES.items():
        found = [taken_back(policy, steps, seed) for seed in range(count)]
        times = [one for one in found if one is not None]
        low, high = wilson_interval(len(times), count)
        row = [name, f"{len(times) / count:.3f} ({low:.3f}–{high:.3f})"]
        if guard:
            due = declared(policy, steps, guard) or 0
            in_time = sum(one <= due for one in times) / count
            half, most = (np.quantile(times, share) if times else math.nan for share in (0.5, 0.95))
            row += [f"0.95 by {due}", f"{in_time:.3f}", f"{half:.0f}", f"{most:.0f}"]
        else:
            row += ["0.05 ever, at most", "–", "–", "–"]
        print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
