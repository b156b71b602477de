"""Candidates that are tried beside the version in use: who answers, and who is asked unseen."""

import random
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.console import warn
from kerasrecipes.errors import IntegrityError, KerasRecipesError, first_line, printable
from kerasrecipes.rollout.evidence import EvidenceFile
from kerasrecipes.rollout.judge import CANDIDATE, CHAMPION, Evidence, Seen
from kerasrecipes.rollout.record import (
    EVIDENCE,
    TAKE_BACK,
    finish,
    last_rollout,
)
from kerasrecipes.rollout.sides import is_tried
from kerasrecipes.rollout.starting import judge_of
from kerasrecipes.serve.entry import JournalEntry
from kerasrecipes.serve.predictor import Prediction
from kerasrecipes.server.lane import Unseen
from kerasrecipes.server.metrics import Metrics
from kerasrecipes.server.models import Models, Served
from kerasrecipes.server.refused import bad
from kerasrecipes.server.trial import (
    TOGETHER,
    Trial,
    Turn,
    asked_unseen,
    computed_unseen,
    read_rows,
    seen_of,
)

if TYPE_CHECKING:
    from kerasrecipes.server.for_review import ForReview

_SERVER = "kerasrecipes serve"
_UNUSABLE = (KerasRecipesError, OSError, ValueError)
# Share of the pairs that are asked again for their times, where no caller gets the candidate.
_TIMED = 0.25
# What waits to be compared.
MOST_WAITING, MOST_BYTES = 1000, 1 << 26


class Rollouts:
    """All rollouts of a server.

    Args:
        models: What is loaded.
        metrics: What is counted.
        unseen: Where comparisons are computed.
        for_review: Keeps what both versions answer otherwise, if that is asked for.
    """

    def __init__(
        self, models: Models, metrics: Metrics, unseen: Unseen, for_review: "ForReview | None"
    ):
        self._for_review = for_review
        self._models, self._metrics, self._unseen = models, metrics, unseen
        self._trials: dict[str, Trial] = {}
        self._problems: dict[str, str] = {}

    def choose(self, served: Served, headers: Mapping[str, str], key: str | None) -> Turn:
        """Say who answers a request that asks for no version.

        Args:
            served: The version in use.
            headers: Of the request; one of them may say who asks.
            key: Who asks, where the address says so.
        """
        trial = self._trials.get(served.name)
        if trial is None or trial.over or served is not trial.champion:
            return Turn(served)
        policy = trial.rollout.policy
        key = headers.get(policy.header, "") or key
        salt = f"{served.name} {trial.candidate.digest}"
        chosen = trial.candidate if is_tried(salt, key or None, policy.percent) else served
        return Turn(chosen, trial, random.random() * 100 < policy.shadow_percent)

    def answered(
        self, turn: Turn, request_id: str, content: bytes, found: Prediction, ms: float
    ) -> None:
        """Take an answer to a photo or text into account, later.

        Args:
            turn: Who gave it.
            request_id: The answer's id.
            content: The photo or text.
            found: The answer.
            ms: How long it was computed, in milliseconds.
        """
        trial = self._counted(turn)
        if trial is None:
            return

        def work() -> None:
            mine, other = seen_of(found, ms), trial.other(turn.served)
            theirs = asked_unseen(other, content) if turn.compare else None
            self._time(trial, lambda one: asked_unseen(one, content))
            if self._see(trial, turn.served, mine, theirs) or self._for_review is None:
                return
            pair = (mine, theirs) if turn.served is trial.champion else (theirs, mine)
            if pair[0] is not None and pair[1] is not None and not pair[1].failed:
                self._for_review.differs(request_id, content, (trial.champion, pair[0]), pair[1])

        self._unseen.add(work, len(content) if turn.compare else 0)

    def _counted(self, turn: Turn) -> Trial | None:
        """Count an answer, and return the trial that it is part of; `None` if that is over."""
        trial = turn.trial
        if trial is None or trial.over:
            return None
        self._metrics.tried(turn.served.name, trial.side(turn.served))
        return trial

    def inferred(
        self, turn: Turn, examples: np.ndarray, answers: Mapping[str, np.ndarray], ms: float
    ) -> None:
        """Do the same with tensors; how long each takes is that of all by their number.

        Args:
            turn: Who gave the answers.
            examples: What was asked.
            answers: The answers.
            ms: How long they were computed, in milliseconds.
        """
        trial = self._counted(turn)
        if trial is None:
            return
        each, some = ms / len(examples), examples[:TOGETHER]

        def work() -> None:
            mine = read_rows(turn.served, answers, len(some), each)
            theirs: list[Seen | None] = [None] * len(some)
            if turn.compare:
                theirs = [*computed_unseen(trial.other(turn.served), some)]
            for one, other in zip(mine, theirs, strict=True):
                self._see(trial, turn.served, one, other)
            self._time(trial, lambda one: computed_unseen(one, some)[0])

        self._unseen.add(work, some.nbytes if turn.compare else 0)

    def failed(self, turn: Turn, instead: Prediction | None) -> None:
        """Take into account that a candidate could not answer, and the version in use was asked.

        Args:
            turn: Whose turn it was.
            instead: What that says; `None` for tensors.
        """
        if (trial := turn.trial) is not None:
            other = Seen() if instead is None else seen_of(instead, None)
            self._metrics.tried(turn.served.name, CANDIDATE)

            def work() -> None:
                self._see(trial, turn.served, Seen(failed=True), other)

            self._unseen.add(work, 0)

    def _time(self, trial: Trial, ask: Callable[[Served], Seen]) -> None:
        """Now and then ask both one after the other, where nobody waits for the candidate.

        An answer in the shadow and one that somebody waits for take different times by where they
        are computed.
        """
        if trial.rollout.policy.percent or random.random() > _TIMED:
            return
        both = random.sample([trial.champion, trial.candidate], 2)
        seen = {trial.side(one): ask(one) for one in both}
        with trial.lock:
            for side in (CHAMPION, CANDIDATE):
                trial.judge.timed(side, seen[side])

    def _see(self, trial: Trial, served: Served, mine: Seen, theirs: Seen | None) -> bool:
        """Let a trial see an answer, and return whether the other version says the same."""
        side, judge, same = trial.side(served), trial.judge, True
        with trial.lock:
            if theirs is None:
                judge.answered(side, mine)
            else:
                if trial.rollout.policy.percent:
                    judge.timed(side, mine)
                pair = (mine, theirs) if side == CHAMPION else (theirs, mine)
                same = judge.pair(*pair)
            ends = trial.settle()
        if ends:
            self._take_back(trial)
        return same

    def outcome(self, entry: JournalEntry, value: float) -> bool:
        """Take into account what a caller reports of an answer.

        Args:
            entry: The answer.
            value: What is reported.

        Returns:
            Whether it counts; not if it was reported before, or no candidate was tried then.

        Raises:
            Refused: If it is not within `outcome_range`, or none is asked for.
            DataError: If what was reported before is damaged.
            OSError: If the disk is full.
        """
        trial = self._trials.get(entry.bundle)
        if trial is None or (asked := trial.rollout.policy.outcome_range) is None:
            raise bad("No rollout of that model asks for an 'outcome' now.")
        if not asked[0] <= value <= asked[1]:
            raise bad(f"'outcome' must be a number from {asked[0]:g} to {asked[1]:g}.")
        asked_of = {(one.version, one.digest): one for one in (trial.champion, trial.candidate)}
        served = asked_of.get((entry.version, entry.digest))
        began = datetime.fromisoformat(trial.rollout.entry.when).timestamp()
        rollout = trial.rollout
        if served is None or (entry.at or 0) < began:
            return False
        if not EvidenceFile(rollout.folder / EVIDENCE).is_new(rollout.id, entry.request_id):
            return False
        with trial.lock:
            trial.judge.outcome(trial.side(served), value)
            ends = trial.settle()
        if ends:
            self._take_back(trial)
        return True

    def refresh(self) -> None:
        """Look up what is tried, remember what was seen, and take back what must be."""
        loaded = self._models.loaded()
        for name in {*loaded, *self._trials}:
            try:
                self._refresh_one(name, *loaded[name]) if name in loaded else self._end(name)
            except _UNUSABLE as error:
                if isinstance(error, IntegrityError):  # nothing vouches for the candidate
                    self._end(name)
                self._tell(name, first_line(error))
            else:
                self._problems.pop(name, None)
        self._metrics.evidence(
            {
                name: {one.name: one.evidence for one in trial.judge.standings()}
                for name, trial in self._trials.items()
            }
        )

    def _refresh_one(
        self, name: str, folder: Path, loaded: dict[int, Served], failed: dict[int, str]
    ) -> None:
        rollout = last_rollout(folder)
        trial = self._trials.get(name)
        if rollout is None or rollout.end is not None:
            return self._end(name)
        version, champion = rollout.entry.version, loaded.get(rollout.champion)
        if version in failed:
            finish(folder, TAKE_BACK, _SERVER, f"golden vectors: {failed[version]}", rollout.id)
            return self._end(name)
        candidate = loaded.get(version)
        if champion is None or candidate is None:
            return self._end(name)
        if trial is None or trial.rollout.id != rollout.id or trial.champion is not champion:
            judge = judge_of(rollout, champion.predictor.output)
            trial = self._trials[name] = Trial(rollout, champion, candidate, judge)
        self._remember(trial)
        if trial.over:
            self._take_back(trial)
        return None

    def _remember(self, trial: Trial) -> None:
        """Write down what is new, and learn what other servers have seen."""
        with trial.lock:
            trial.settle(always=True)
            fresh, trial.fresh = trial.fresh, {}
        if not fresh:
            return
        rollout = trial.rollout
        try:
            known = EvidenceFile(rollout.folder / EVIDENCE).add(rollout.id, fresh)
        except _UNUSABLE:
            with trial.lock:
                for name, one in fresh.items():
                    trial.fresh.setdefault(name, Evidence.none(len(one.total))).add(one)
            raise
        with trial.lock:
            for name, one in known.items():
                for later in [trial.fresh[name]] if name in trial.fresh else []:
                    one.add(later)
                trial.judge.known[name] = one

    def _take_back(self, trial: Trial) -> None:
        """Write into the log that a candidate is taken back; it has no callers by now."""
        name, rollout = trial.champion.name, trial.rollout
        try:
            finish(rollout.folder, TAKE_BACK, _SERVER, trial.over, rollout.id)
        except _UNUSABLE as error:
            # Somebody may be at the log; the next refresh tries again.
            self._tell(name, f"{first_line(error)} The candidate answers no more: {trial.over}")
        else:
            warn(f"'{printable(name)}' {rollout.entry.version} is taken back: {trial.over}")

    def _end(self, name: str) -> None:
        self._trials.pop(name, None)

    def _tell(self, name: str, problem: str) -> None:
        if self._problems.get(name) != problem:
            self._problems[name] = problem
            warn(f"The rollout of '{printable(name)}': {problem}")

    def close(self) -> None:
        """Remember what was seen."""
        for name, trial in list(self._trials.items()):
            try:
                self._remember(trial)
            except _UNUSABLE as error:
                self._tell(name, first_line(error))

    def problems(self) -> list[str]:
        """Return what does not work, in words."""
        return [f"rollout of {name}: {one}" for name, one in sorted(self._problems.items())]

    def state(self) -> list[dict[str, Any]]:
        """Return what is tried, for people."""
        return [
            {
                "model": name, "version": trial.candidate.version,
                "champion": trial.champion.version, "percent": trial.rollout.policy.percent,
                "shadow_percent": trial.rollout.policy.shadow_percent, "over": trial.over,
                "compared": trial.judge.compared, "requests": trial.rollout.policy.requests,
                "guards": [
                    {"name": one.name, "said": one.said, "evidence": round(one.evidence, 4)}
                    for one in trial.judge.standings()
                ],
            }
            for name, trial in sorted(self._trials.items())
        ]  # fmt: skip
