"""Trying a candidate beside the version in use: beginning, looking, ending."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kerasrecipes.arguments import named
from kerasrecipes.bundles.aliases import check_alias, read_aliases
from kerasrecipes.bundles.bundle import BundleFolder
from kerasrecipes.bundles.versions import versions
from kerasrecipes.data.examples import NUMBER
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.errors import DataError, printable
from kerasrecipes.heads import get_task
from kerasrecipes.promotion.log import this_user
from kerasrecipes.rollout.evidence import EvidenceFile
from kerasrecipes.rollout.judge import BETTER, Judge, Standing
from kerasrecipes.rollout.policy import RolloutPolicy
from kerasrecipes.rollout.record import (
    EVIDENCE,
    STOP,
    TAKE_BACK,
    Rollout,
    begin,
    finish,
    last_rollout,
)
from kerasrecipes.statistics.shown import Part, Shown
from kerasrecipes.statistics.tables import Table


@dataclass(frozen=True)
class RolloutStatus(Shown):
    """How a candidate stands; print it.

    Args:
        rollout: The candidate, and how it is tried.
        standings: What each guard has seen of it.
        compared: How many of its answers were compared.
    """

    rollout: Rollout
    standings: tuple[Standing, ...]
    compared: int

    @property
    def ready(self) -> bool:
        """Whether it has answered often enough to be promoted."""
        return self.rollout.end is None and self.compared >= self.rollout.policy.requests

    @property
    def was_taken_back(self) -> bool:
        """Whether a server found it worse than it may be."""
        return self.rollout.end is not None and self.rollout.end.action == TAKE_BACK

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain values for JSON."""
        one = self.rollout
        return {
            "model": str(one.folder), "version": one.entry.version, "champion": one.champion,
            "alias": one.entry.alias, "when": one.entry.when, "who": one.entry.who,
            "why": one.entry.why, "policy": one.policy.model_dump(mode="json"),
            "running": one.end is None, "ready": self.ready, "compared": self.compared,
            "end": None if one.end is None else one.end.model_dump(mode="json"),
            "guards": [asdict(standing) for standing in self.standings],
        }  # fmt: skip

    def parts(self) -> Iterator[Part]:
        """Yield what is tried, how it stands, and what comes next."""
        one, called = self.rollout, printable(self.rollout.folder)
        how = f"{one.policy.percent:g} % of callers, {one.policy.shadow_percent:g} % in the shadow"
        yield f"Version {one.entry.version} of '{called}' beside version {one.champion}: {how}."
        rows = tuple(
            (each.name, f"{each.evidence:.0%}", f"{each.count:,}", each.said)
            for each in self.standings
        )
        yield Table("Guards", ("guard", "evidence", "n", ""), rows, right=(1, 2))
        if one.end is not None:
            why = f": {one.end.why}" if one.end.why else ""
            yield f"It ended on {one.end.when}, '{one.end.action}' by {one.end.who}{why}."
        elif self.ready:
            yield (
                f"It has answered {self.compared:,} times without an alarm: kerasrecipes promote "
                f"{called} {one.entry.version} --gates gates.toml"
            )
        else:
            yield f"It has answered {self.compared:,} of {one.policy.requests:,} times."
        if any(each.name == BETTER and each.evidence >= 1 for each in self.standings):
            yield "What callers report of it is better, beyond chance."


@named
def start_rollout(
    model: str | Path,
    *,
    alias: str = "candidate",
    policy: RolloutPolicy | str | Path | None = None,
    who: str | None = None,
    why: str = "",
) -> RolloutStatus:
    """Try a candidate beside the version in use, in every server of that folder.

    The candidate is what the alias means, which it came to through the gates. Servers notice within
    seconds; one of them takes it back, with the reason in the log, as soon as there is evidence
    that it is worse than the policy allows.

    Args:
        model: The model's folder, e.g. `saved_models/tiles`.
        alias: What means the candidate.
        policy: How it is tried, or a TOML file that says so.
        who: Who does it, for the log; by default the name of this user.
        why: The reason, for the log.

    Returns:
        How it stands; print it.

    Raises:
        DataError: If there is no such candidate, it is asked something else, one is tried already,
            the policy cannot be used, or somebody else changes an alias now.
        IntegrityError: If the log was changed.
        ValueError: If it can be no alias.
    """
    model, who = _model(model), this_user(who)
    check_alias(alias)
    if not isinstance(policy, RolloutPolicy):
        policy = RolloutPolicy() if policy is None else RolloutPolicy.read(policy)
    output = _question(model, alias)
    if (get_task(output.task).target == NUMBER) != (policy.max_number_apart is not None):
        raise DataError(
            "`max_number_apart` says which numbers are the same answer: a policy has it where the "
            f"model answers with a number, and nowhere else. '{printable(model)}' answers "
            f"'{printable(output.task)}'."
        )
    return _status(begin(model, alias, policy, who, why))


@named
def stop_rollout(model: str | Path, *, who: str | None = None, why: str = "") -> RolloutStatus:
    """End a rollout: the version in use answers alone, the alias stays what it is.

    Args:
        model: The model's folder.
        who: Who does it, for the log; by default the name of this user.
        why: The reason, for the log.

    Returns:
        How it stood; print it.

    Raises:
        DataError: If none runs, or somebody else changes an alias now.
        IntegrityError: If the log was changed.
    """
    model, who = _model(model), this_user(who)
    finish(model, STOP, who, why)
    return rollout_status(model)


@named
def rollout_status(model: str | Path) -> RolloutStatus:
    """Tell how the candidate stands that is tried now, or how the last one ended.

    Args:
        model: The model's folder.

    Raises:
        DataError: If there was none, or what was seen of it is damaged.
        IntegrityError: If the log, or the policy, was changed.
    """
    model = _model(model)
    found = last_rollout(model)
    if found is None:
        raise DataError(
            f"No candidate of '{printable(model)}' was ever tried. Start that by: kerasrecipes "
            f"rollout start {printable(model)}"
        )
    return _status(found)


def judge_of(rollout: Rollout, output: OutputSpec) -> Judge:
    """Return what compares the two versions, with all that was seen so far.

    Args:
        rollout: What is tried.
        output: What the models answer with.

    Raises:
        DataError: If what was seen is damaged.
    """
    judge = Judge(rollout.policy, output.class_names)
    judge.known = EvidenceFile(rollout.folder / EVIDENCE).read(rollout.id, judge.known)
    return judge


def _status(rollout: Rollout) -> RolloutStatus:
    bundle = BundleFolder.load(rollout.folder / str(rollout.champion))
    judge = judge_of(rollout, bundle.output)
    return RolloutStatus(rollout, tuple(judge.standings()), judge.compared)


def _model(folder: str | Path) -> Path:
    folder = Path(folder)
    if not versions(folder):
        raise DataError(f"'{printable(folder)}' holds no versions of a model. Name its folder.")
    return folder


def _question(model: Path, alias: str) -> OutputSpec:
    """Return what both versions answer with.

    Raises:
        DataError: If they are asked other things.
    """
    known = read_aliases(model).aliases
    found = [
        BundleFolder.load(model / str(known[one])) for one in ("champion", alias) if one in known
    ]
    asked = {
        (one.manifest.modality, one.output.task, tuple(sorted(one.output.class_names)))
        for one in found
    }
    if len(asked) > 1:
        raise DataError(
            f"The two versions of '{printable(model)}' do not answer the same question: their kind "
            "of data, task or classes differ, so their answers cannot be compared."
        )
    if not found:
        raise DataError(
            f"'{printable(model)}' has no 'champion'. Promote a version first: kerasrecipes "
            f"promote {printable(model)} VERSION"
        )
    return found[0].output
