"""Which candidate is tried now: what the log of a model's aliases says, and the policy for it.

saved_models/tiles/
    history.jsonl      the lines of a rollout's start and end are here, beside all others
    rollout.json       the policy of the last one, whose digest its first line holds
    rollout.db         what was seen of it so far
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kerasrecipes.bundles.aliases import AliasLog, LogEntry, read_aliases
from kerasrecipes.errors import DataError, IntegrityError, printable
from kerasrecipes.files import write_whole
from kerasrecipes.promotion.log import changing
from kerasrecipes.records import parse_json
from kerasrecipes.regular import read_regular
from kerasrecipes.rollout.policy import RolloutPolicy

POLICY, EVIDENCE = "rollout.json", "rollout.db"
IN_USE = "champion"
START, STOP, TAKE_BACK = "start rollout", "stop rollout", "take back"


@dataclass(frozen=True)
class Rollout:
    """A candidate beside the version in use.

    Args:
        folder: The model's folder.
        entry: The line of the log that began it.
        champion: The version in use.
        policy: How it is tried.
        end: The line that ended it; `None` while it runs.
    """

    folder: Path
    entry: LogEntry
    champion: int
    policy: RolloutPolicy
    end: LogEntry | None = None

    @property
    def id(self) -> str:
        """What tells it from all others."""
        return self.entry.digest()


def last_rollout(folder: Path) -> Rollout | None:
    """Return the rollout that runs, or else the last one; `None` if there was none.

    It ends with the first line of the log that is about one of its two aliases.

    Args:
        folder: The model's folder.

    Raises:
        IntegrityError: If the log, or the policy, was changed.
    """
    log = read_aliases(folder)
    place = max((k for k, one in enumerate(log.entries) if one.action == START), default=None)
    if place is None:
        return None
    entry, later = log.entries[place], log.entries[place + 1 :]
    end = next((one for one in later if one.alias in (IN_USE, entry.alias)), None)
    champion = AliasLog(log.entries[:place]).aliases[IN_USE]
    return Rollout(folder, entry, champion, _policy(folder, entry, end is None), end)


def _policy(folder: Path, entry: LogEntry, runs: bool) -> RolloutPolicy:
    where = f"'{printable(folder / POLICY)}'"
    ended = "The rollout has ended, and a start that was cut off may have written it"
    remedy = f"{'Stop the rollout' if runs else ended}; start another one."
    try:
        content = read_regular(POLICY, inside=folder)
    except OSError as error:
        raise IntegrityError(f"{where} cannot be read: {error.strerror}. {remedy}") from error
    if hashlib.sha256(content).hexdigest() != entry.gates_sha256:
        raise IntegrityError(f"{where} is not what the rollout began with. {remedy}")
    try:
        return RolloutPolicy.of(parse_json(content))
    except ValueError as error:
        raise IntegrityError(f"{where} cannot be used: {error}. {remedy}") from error


def begin(folder: Path, alias: str, policy: RolloutPolicy, who: str, why: str) -> Rollout:
    """Write down that a rollout begins.

    Args:
        folder: The model's folder.
        alias: What means the candidate.
        policy: How it is tried.
        who: Who does it.
        why: The reason.

    Raises:
        DataError: If there is no such candidate, one is tried already, or somebody else changes
            an alias now.
        IntegrityError: If the log was changed.
    """
    with changing(folder) as log:
        known, called = log.log.aliases, printable(folder)
        for name in (IN_USE, alias):
            if name not in known:
                raise DataError(
                    f"'{called}' has no '{printable(name)}', so there is nothing to compare. "
                    f"Promote a version first: kerasrecipes promote {called} VERSION --as "
                    f"{printable(name)}"
                )
        if known[alias] == known[IN_USE]:
            raise DataError(
                f"'{printable(alias)}' of '{called}' is version {known[alias]}, which is in use "
                f"already. Promote another one: kerasrecipes promote {called} VERSION --as "
                f"{printable(alias)}"
            )
        if (running := _running(log.log)) is not None:
            raise DataError(
                f"Version {running.version} of '{called}' is tried already. End that first: "
                f"kerasrecipes rollout stop {called}"
            )
        content = json.dumps(policy.model_dump(mode="json"), indent=2).encode() + b"\n"
        write_whole(folder / POLICY, content)
        digests = _digests(log.log, alias)
        entry = log.add(
            action=START, alias=alias, before=known[alias], version=known[alias], who=who,
            why=why, gates_sha256=hashlib.sha256(content).hexdigest(), **digests,
        )  # fmt: skip
        return Rollout(folder, entry, known[IN_USE], policy)


def finish(folder: Path, action: str, who: str, why: str, of: str | None = None) -> LogEntry:
    """Write down that a rollout ends, and where it failed let its alias mean the version in use.

    Args:
        folder: The model's folder.
        action: `STOP` or `TAKE_BACK`.
        who: Who does it.
        why: The reason.
        of: The `id` of the rollout; by default whichever runs.

    Raises:
        DataError: If none runs, or somebody else changes an alias now.
        IntegrityError: If the log was changed.
        OSError: If it cannot be written.
    """
    with changing(folder) as log:
        running = _running(log.log)
        if running is None or of not in (None, running.digest()):
            raise DataError(
                f"No candidate of '{printable(folder)}' is tried now. Start that by: kerasrecipes "
                f"rollout start {printable(folder)}"
            )
        back = action == TAKE_BACK
        known = log.log.aliases
        return log.add(
            action=action, alias=running.alias, before=running.version, who=who, why=why,
            version=known[IN_USE] if back else running.version,
            **_digests(log.log, IN_USE if back else running.alias),
        )  # fmt: skip


def _running(log: AliasLog) -> LogEntry | None:
    """Return the line that began the rollout that runs."""
    ended: set[str] = set()
    for entry in reversed(log.entries):
        if entry.action == START:
            return None if ended & {IN_USE, entry.alias} else entry
        ended.add(entry.alias)
    return None


def _digests(log: AliasLog, alias: str) -> Mapping[str, str]:
    """Return the files that the last line about an alias names."""
    entry = next(one for one in reversed(log.entries) if one.alias == alias)
    names = ("bundle_sha256", "export", "export_sha256")
    return {name: getattr(entry, name) for name in names}
