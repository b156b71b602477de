"""What is known of a candidate by now, and whether that is reason to take it back."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from kerasrecipes.rollout.betting import Bet, log_capital, mean_interval
from kerasrecipes.rollout.policy import RolloutPolicy

CHAMPION, CANDIDATE = "champion", "candidate"
ERRORS, LATENCY, DISAGREEMENT, ANSWERS = "errors", "latency", "disagreement", "answers"
OUTCOME, BETTER = "outcome", "better outcome"
# Of a model with more classes, the shares of the others are not compared.
MOST_CLASSES = 50
# So many answers of the version in use are averaged at most, for one of the candidate's.
_RECENT = 1000


@dataclass(frozen=True)
class Seen:
    """What is compared of an answer.

    Args:
        failed: Whether there is none.
        ms: How long it was computed, in milliseconds; `None` if that cannot be compared.
        labels: The class or labels, sorted; none where it is left to a person.
        number: The number, where that is the answer.
        alarm: Whether an alarm was raised; `None` where none can be.
    """

    failed: bool = False
    ms: float | None = None
    labels: tuple[str, ...] = ()
    number: float | None = None
    alarm: bool | None = None


@dataclass(frozen=True)
class Guard:
    """One thing that takes a candidate back.

    Args:
        name: What it is about.
        bet: That its mean is above what may be.
        told: What the mean is of, in words.
        width: Means that are watched together: some classes more often, or less often, answered.
        alarms: Whether it takes back; one of them says that a candidate is better, instead.
    """

    name: str
    bet: Bet
    told: str
    width: int = 1
    alarms: bool = True


@dataclass
class Evidence:
    """What one guard has seen.

    Args:
        count: Of how many answers or pairs.
        total: Sum of what was seen, shape `(width,)`.
        logs: Logarithms of the bets' capital, shape `(width, 10)`.
    """

    count: int
    total: np.ndarray
    logs: np.ndarray

    @classmethod
    def none(cls, width: int) -> "Evidence":
        """Return what is known before anything was seen."""
        return cls(0, np.zeros(width), Bet(0, 1, 0.5).logs(np.full(width, 0.5)) * 0)

    def add(self, other: "Evidence") -> None:
        """Take over what others have seen, or was seen before."""
        self.count += other.count
        self.total = self.total + other.total
        self.logs = self.logs + other.logs

    @property
    def log(self) -> float:
        """The logarithm of the evidence; 0 for none."""
        return float(log_capital(self.logs.reshape(-1)))


@dataclass(frozen=True)
class Standing:
    """How a candidate stands with one guard.

    Args:
        name: The guard.
        told: What it measures, in words.
        count: Of how many answers or pairs.
        mean: What was measured; of several classes, the one that is furthest off.
        low: Where the true mean lies at least, at whatever moment one looks; `most` where there is
            evidence enough.
        high: Where it lies at most.
        most: What may be.
        evidence: 0…1; from 1 on it is an alarm, or shows that the candidate is better.
        alarms: Whether it takes back.
    """

    name: str
    told: str
    count: int
    mean: float
    low: float
    high: float
    most: float
    evidence: float
    alarms: bool

    @property
    def said(self) -> str:
        """The numbers, in words."""
        return (
            f"{self.told} {self.mean:.4g} in {self.count:,}, at most {self.most:.4g} may be; "
            f"the true value is from {self.low:.3g} to {self.high:.3g}"
        )


def guards_of(policy: RolloutPolicy, classes: int) -> tuple[Guard, ...]:
    """Return what takes a candidate back under a policy.

    Args:
        policy: The policy.
        classes: How many classes or labels the models answer with; 0 for a number.
    """
    found = [
        Guard(ERRORS, Bet(-1, 1, policy.max_more_errors), "more answers fail, a share of"),
        Guard(
            LATENCY,
            Bet(0, 1, 0.5),
            f"longer than {policy.max_slower:g} times the time is taken by a share of",
        ),
    ]
    if policy.shadow_percent:
        told = "both answer otherwise in a share of"
        found.append(Guard(DISAGREEMENT, Bet(0, 1, policy.max_disagreement), told))
    if classes:
        bet, width = Bet(-1, 1, policy.max_more_of_a_class), 2 * min(classes, MOST_CLASSES)
        found.append(Guard(ANSWERS, bet, "one class is more, or less, often answered, by", width))
    if policy.outcome_range is not None:
        low, high = policy.outcome_range
        span = high - low
        bet = Bet(-span, span, policy.max_lower_outcome)
        found.append(Guard(OUTCOME, bet, "what callers report is lower by"))
        bet = Bet(-span, span, 0)
        found.append(Guard(BETTER, bet, "what callers report is higher by", alarms=False))
    return tuple(found)


@dataclass
class _Recent:
    """What was seen of the version in use since the candidate's last answer, or before it."""

    total: float | np.ndarray = 0.0
    count: int = 0

    def add(self, value: float | np.ndarray) -> None:
        if self.count >= _RECENT:  # the candidate is not asked: forget half
            self.total, self.count = self.total / 2, self.count // 2
        self.total, self.count = self.total + value, self.count + 1

    def take(self) -> float | np.ndarray | None:
        """Return the mean, each answer once; `None` if there is nothing new."""
        if not self.count:
            return None
        mean = self.total / self.count
        self.total, self.count = 0.0, 0
        return mean


@dataclass
class Judge:
    """Compares a candidate with the version in use, answer by answer; not for several threads.

    Pairs compare both on the same request. Without pairs, each answer of the candidate is compared
    with the mean of those of the version in use that came since its last one.

    Args:
        policy: What may be.
        class_names: The classes or labels, none for a number.
    """

    policy: RolloutPolicy
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        self.guards = guards_of(self.policy, len(self.class_names))
        self.places = {name: k for k, name in enumerate(self.class_names[:MOST_CLASSES])}
        # What is known by each guard.
        self.known = {one.name: Evidence.none(one.width) for one in self.guards}
        self._waiting: dict[str, list[float | np.ndarray]] = {one.name: [] for one in self.guards}
        self._recent: dict[str, _Recent] = {}
        self._champion_ms: float | None = None

    @property
    def threshold(self) -> float:
        """The logarithm of the evidence that takes a candidate back.

        The chance of a false one is divided among what can.
        """
        alarms = sum(one.alarms for one in self.guards)
        return math.log(alarms / self.policy.false_rollbacks)

    def settle(self) -> dict[str, Evidence]:
        """Bet on what was seen since the last call, which is quicker for many at once.

        Returns:
            What that adds to what is known.
        """
        found = {}
        for guard in self.guards:
            waiting, self._waiting[guard.name] = self._waiting[guard.name], []
            if waiting:
                values = np.array(waiting, np.float64).reshape(len(waiting), -1)
                logs = guard.bet.logs(values).sum(axis=0)
                found[guard.name] = Evidence(len(values), values.sum(axis=0), logs)
                self.known[guard.name].add(found[guard.name])
        return found

    def _see(self, name: str, value: float | np.ndarray) -> None:
        if (waiting := self._waiting.get(name)) is not None:
            waiting.append(value)

    def _compare(self, name: str, side: str, value: float | np.ndarray, sign: int = 1) -> None:
        """Compare an answer of the candidate with recent ones of the version in use."""
        recent = self._recent.setdefault(name, _Recent())
        if side == CHAMPION:
            recent.add(value)
        elif (mean := recent.take()) is not None:
            self._see(name, sign * (value - mean))

    def answered(self, side: str, seen: Seen) -> None:
        """Take an answer into account that has no pair.

        Args:
            side: Who gave it.
            seen: The answer.
        """
        self._compare(ERRORS, side, float(seen.failed))
        self.timed(side, seen)
        if not seen.failed and self.places:
            self._compare(ANSWERS, side, self._classes(seen))

    def timed(self, side: str, seen: Seen) -> None:
        """Take into account how long an answer took that somebody waited for.

        Args:
            side: Who gave it.
            seen: The answer.
        """
        if seen.failed or seen.ms is None:
            return
        if side == CHAMPION:
            self._champion_ms = seen.ms
        elif self._champion_ms is not None:
            self._see(LATENCY, float(seen.ms > self.policy.max_slower * self._champion_ms))
            self._champion_ms = None

    def pair(self, champion: Seen, candidate: Seen) -> bool:
        """Take into account what both say to one request.

        Args:
            champion: What the version in use says.
            candidate: What the other says.

        Returns:
            Whether both say the same.
        """
        self._see(ERRORS, float(candidate.failed) - float(champion.failed))
        if champion.failed or candidate.failed:
            return champion.failed == candidate.failed
        same = self._same(champion, candidate)
        self._see(DISAGREEMENT, float(not same))
        if self.places:
            self._see(ANSWERS, self._classes(candidate) - self._classes(champion))
        return same

    def outcome(self, side: str, value: float) -> None:
        """Take into account what a caller reports of an answer.

        Args:
            side: Who gave it.
            value: What was reported, within `outcome_range`.
        """
        self._compare(OUTCOME, side, value, sign=-1)
        self._compare(BETTER, side, value)

    def _same(self, one: Seen, other: Seen) -> bool:
        if one.number is not None and other.number is not None:
            return abs(one.number - other.number) <= (self.policy.max_number_apart or 0.0)
        return (one.labels, one.alarm) == (other.labels, other.alarm)

    def _classes(self, seen: Seen) -> np.ndarray:
        """Return 1 for what is answered, and -1, for more often and for less often."""
        found = np.zeros(len(self.places))
        found[[self.places[one] for one in seen.labels if one in self.places]] = 1
        return np.concatenate([found, -found])

    def standings(self) -> Iterable[Standing]:
        """Yield how the candidate stands with each guard."""
        level = self.policy.false_rollbacks / max(1, sum(one.alarms for one in self.guards))
        for guard in self.guards:
            seen = self.known[guard.name]
            mean = float(seen.total.max() / seen.count) if seen.count else 0.0
            low, high = mean_interval(guard.bet, mean, seen.count, level / guard.width)
            evidence = max(0.0, min(1.0, seen.log / self.threshold))
            if evidence >= 1:  # the bets know more than the interval
                low = max(low, guard.bet.most)
            yield Standing(
                guard.name, guard.told, seen.count, mean, low, high, guard.bet.most, evidence,
                guard.alarms,
            )  # fmt: skip

    def reason(self) -> str | None:
        """Return why the candidate is to be taken back, or `None`."""
        for one in self.standings():
            if one.alarms and one.evidence >= 1:
                return f"{one.name}: {one.said}"
        return None

    @property
    def compared(self) -> int:
        """How many answers of the candidate were compared."""
        return self.known[ERRORS].count
