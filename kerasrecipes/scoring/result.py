"""What came of all shards together, in numbers: answers, and whether the data are as they were."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasrecipes.arguments import named
from kerasrecipes.bundles.bundle import BundleFolder
from kerasrecipes.drift.detecting import look_at
from kerasrecipes.drift.profile import PROFILE_FILE, ReferenceProfile
from kerasrecipes.drift.report import DriftReport
from kerasrecipes.errors import DataError, printable
from kerasrecipes.files import digest
from kerasrecipes.records import checked, parse_json
from kerasrecipes.regular import read_regular
from kerasrecipes.scoring.job import Job
from kerasrecipes.scoring.shard import Sampled, ShardFacts
from kerasrecipes.serve.entry import Logged
from kerasrecipes.statistics.shown import Part, Shown
from kerasrecipes.statistics.tables import Table
from kerasrecipes.watching.logged import LoggedWindow, observed

# Examples that are measured for drift, about, however many there are.
MEASURED = 2000
# As `detect_drift` promises: ten years of weekly looks.
_LOOKS = 520.0
_SHOWN = 20


@named
@dataclass(frozen=True)
class Scored(Shown):
    """What a model answered to all examples.

    Args:
        to: The folder of the answers.
        noun: What several examples are called.
        rows: How many there are.
        failed: How many could not be used; `error` says why in their rows.
        shards: How many files hold the answers.
        shards_now: How many of them this run wrote; the others were there.
        seconds: How long this run took.
        labels: How often each label was answered, the most frequent first.
        alarms: How many answers raised an alarm.
        new: How many examples are unlike all that the model knows.
        abstained: How many answers were left to a person.
        drift: Whether the examples are as those that the model was measured on, by about 2,000 of
            them; `None` where that cannot be told.
        no_drift: Why not.
    """

    to: Path
    noun: str
    rows: int
    failed: int
    shards: int
    shards_now: int
    seconds: float
    labels: tuple[tuple[str, int], ...]
    alarms: int
    new: int
    abstained: int
    drift: DriftReport | None
    no_drift: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return what was found as plain values for JSON, the same for every run of a job."""
        return {
            "rows": self.rows,
            "failed": self.failed,
            "shards": self.shards,
            "labels": dict(self.labels),
            "alarms": self.alarms,
            "new": self.new,
            "abstained": self.abstained,
            "drift": None if self.drift is None else self.drift.to_dict(),
            "no_drift": self.no_drift,
        }

    def parts(self) -> Iterator[Part]:
        """Yield the counts, how fast it went, the labels, and what is said of drift."""
        failed = f", {self.failed:,} of them not usable" * bool(self.failed)
        yield f"{self.rows:,} {self.noun} in {self.shards:,} shards{failed}."
        before = self.shards - self.shards_now
        told = f"{self.shards_now:,} shards in {self.seconds:.1f} s"
        yield f"This run wrote {told}{f'; {before:,} were there' * bool(before)}."
        flags = {"alarms": self.alarms, "new": self.new, "left to a person": self.abstained}
        if any(flags.values()):
            yield ", ".join(f"{count:,} {name}" for name, count in flags.items() if count) + "."
        if self.labels:
            rows = tuple((printable(name), f"{n:,}") for name, n in self.labels[:_SHOWN])
            yield Table("Answers", ("label", self.noun), rows, right=(1,))
        yield "" if self.drift is not None else f"Drift was not looked at: {self.no_drift}."
        if self.drift is not None:
            yield self.drift
        yield f"Written to '{printable(self.to)}'."


def summed_up(job: Job, to: Path, shards_now: int, seconds: float) -> Scored:
    """Put together what is known of all shards.

    Args:
        job: The job, all of whose shards are written.
        to: The folder of the answers.
        shards_now: How many were written by this run.
        seconds: How long that took.

    Raises:
        DataError: If what was summed up of a shard, or the file of its answers, is damaged.
    """
    counts, labels = Counter[str](), Counter[str]()
    sampled: list[Sampled] = []
    for number in range(job.shards):
        facts = _facts(job, to, number)
        labels.update(facts.labels)
        sampled += facts.sampled
        for name in ("rows", "failed", "alarms", "new", "abstained"):
            counts[name] += getattr(facts, name)
    lone = Path(job.model).is_file()
    bundle = None if lone else BundleFolder.load(job.model)
    return Scored(
        to=to,
        noun="examples" if bundle is None else bundle.modality.noun[1],
        shards=job.shards,
        shards_now=shards_now,
        seconds=seconds,
        labels=tuple(sorted(labels.items(), key=lambda pair: (-pair[1], pair[0]))),
        drift=_drift(bundle, sampled) if bundle is not None and job.share else None,
        no_drift="" if job.share else "the model brings no profile of what it was measured on",
        **{name: counts[name] for name in ("rows", "failed", "alarms", "new", "abstained")},
    )


def _facts(job: Job, to: Path, number: int) -> ShardFacts:
    path, answers = job.facts(to, number), job.written(to, number)
    try:
        facts = checked(ShardFacts, parse_json(read_regular(path)))
        if digest(answers) != facts.answers_sha256:
            raise ValueError(f"'{printable(answers.name)}' was changed since it was written")
        return facts
    except (OSError, ValueError) as error:
        raise DataError(
            f"'{printable(path)}' cannot be used: {printable(error)}. Remove it and "
            f"'{printable(answers.name)}', and run the command again."
        ) from error


def _drift(bundle: BundleFolder, sampled: list[Sampled]) -> DriftReport:
    """Compare what was measured with the model's profile, each content once."""
    profile = ReferenceProfile.read(bundle.folder / PROFILE_FILE, bundle.read(PROFILE_FILE))
    seen = bundle.seen()
    by_content = {one.entry.request_id: one for one in reversed(sampled)}
    kept = [one for key, one in sorted(by_content.items()) if key not in seen]
    left = sum(key in seen for key in by_content)
    notes = [f"{left} were left out: the model has seen them."] if left else []
    lines = [Logged(row=i, received=0.0, entry=one.entry) for i, one in enumerate(kept)]
    measured = observed(lines, profile)
    if kept and not measured.features.shape[1]:
        notes.append(
            "The file that answers gives no features, so that inputs and answers are compared "
            "alone. Export with --signatures embed."
        )
    window = LoggedWindow(lines, notes)
    window.names = [one.name for one in kept]
    return look_at(profile, measured, window, None, bundle.modality.noun[1], promise=_LOOKS)
