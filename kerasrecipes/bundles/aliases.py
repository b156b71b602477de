"""Names for versions of a model, e.g. `champion`, and the log of how they came to have them.

saved_models/tiles/
    1/, 2/, …          the versions
    history.jsonl      a line for each change of an alias; each holds the digest of the one before
    aliases.json       which version each alias means, and the digest of the last line

What was changed, left out or cut off in the log is noticed by these digests, unless somebody writes
all lines that follow anew, and `aliases.json`, too; against that, keep its `head` elsewhere.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from kerasrecipes.errors import DataError, IntegrityError, listed, printable
from kerasrecipes.records import checked, parse_json
from kerasrecipes.regular import LARGEST_RECORD, read_regular

HISTORY, ALIASES = "history.jsonl", "aliases.json"
NO_ENTRY = "0" * 64
_ALIAS = re.compile("[a-z][a-z0-9_-]{0,31}")


class GateResult(BaseModel):
    """What one gate said of a version.

    Args:
        name: E.g. `"golden vectors"`.
        passed: Whether the version may pass.
        told: Why, with the numbers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    passed: bool
    told: str


class LogEntry(BaseModel):
    """One change of an alias.

    Args:
        number: 1 for the first change, and so on.
        when: Time, as ISO 8601 in UTC.
        who: Who did it.
        action: `"promote"` or `"roll back"`; of a rollout `"start rollout"`, `"stop rollout"`, or
            `"take back"`, after which the candidate's alias means the version in use.
        alias: The alias.
        before: The version that it meant; `None` if it was new.
        version: The version that it means from then on.
        why: What was said as the reason.
        bundle_sha256: Digest of the version's `bundle.json`, which holds those of its files.
        export: Name of the export that answers.
        export_sha256: Its digest.
        gates: What the gates said.
        gates_sha256: Digest of the file of gates, or of a rollout's policy; empty where there was
            none.
        previous: Digest of the line before; zeros for the first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    when: str
    who: str
    action: str
    alias: str
    before: int | None
    version: int
    why: str
    bundle_sha256: str
    export: str
    export_sha256: str
    gates: tuple[GateResult, ...] = ()
    gates_sha256: str = ""
    previous: str

    def line(self) -> bytes:
        """Return the line of the log, without its end."""
        told = self.model_dump(mode="json")
        # Names that are no Unicode are kept, and nothing depends on the order of fields.
        return json.dumps(told, sort_keys=True).encode()

    def digest(self) -> str:
        """Return what the next line says of this one."""
        return hashlib.sha256(self.line()).hexdigest()


class _Head(BaseModel):
    """The content of `aliases.json`."""

    model_config = ConfigDict(extra="forbid")

    aliases: dict[str, int]
    entries: int
    head: str


@dataclass(frozen=True)
class AliasLog:
    """How the aliases of a model came to mean what they do.

    Args:
        entries: All changes, oldest first.
        whole_bytes: How much of the file they take; what follows was cut off while it was written.
    """

    entries: tuple[LogEntry, ...] = ()
    whole_bytes: int = 0

    @property
    def aliases(self) -> dict[str, int]:
        """Which version each alias means."""
        return _meant(self.entries)

    @property
    def head(self) -> str:
        """The digest of the last line."""
        return self.entries[-1].digest() if self.entries else NO_ENTRY

    def followed_by(self, entry: LogEntry) -> "AliasLog":
        """Return the log with one more change, as its last line.

        Args:
            entry: The change.
        """
        line = len(entry.line()) + 1
        return AliasLog((*self.entries, entry), self.whole_bytes + line)

    def head_file(self) -> bytes:
        """Return what `aliases.json` must hold."""
        found = _Head(aliases=self.aliases, entries=len(self.entries), head=self.head)
        return (found.model_dump_json(indent=2) + "\n").encode()


def check_alias(alias: str) -> None:
    """Refuse what cannot be an alias.

    Args:
        alias: What a caller passed.

    Raises:
        ValueError: If it has other signs than small letters, digits, - and _, or begins otherwise.
    """
    if not _ALIAS.fullmatch(alias):
        raise ValueError(
            "`alias` must be a name of small letters, digits, - and _, at most 32, that begins "
            f"with a letter, e.g. 'champion', received {alias!r}."
        )


def read_aliases(folder: Path) -> AliasLog:
    """Read the log of a model's aliases, and find out whether it is whole.

    Args:
        folder: The model's folder.

    Raises:
        IntegrityError: If a line was changed, left out, added or cut off.
    """
    content, head = (_read(folder, name) for name in (HISTORY, ALIASES))
    if content is None and head is None:
        return AliasLog()
    lines = (content or b"").split(b"\n")
    entries: list[LogEntry] = []
    for number, line in enumerate(lines[:-1], start=1):
        entries.append(_entry(folder, number, line, entries))
    _check_head(folder, entries, head)
    return AliasLog(tuple(entries), sum(len(line) + 1 for line in lines[:-1]))


def version_of_alias(folder: Path, alias: str) -> int:
    """Return which version an alias means.

    Args:
        folder: The model's folder.
        alias: E.g. `"champion"`.

    Raises:
        DataError: If there is no such alias.
        IntegrityError: If the log was changed.
    """
    known = read_aliases(folder).aliases
    if alias not in known:
        has = f"It has {listed(sorted(known))}." if known else "It has none."
        raise DataError(
            f"'{printable(folder)}' has no alias '{printable(alias)}'. {has} Give one by: "
            f"kerasrecipes promote {printable(folder)} VERSION --as {printable(alias)}"
        )
    return known[alias]


def _read(folder: Path, name: str) -> bytes | None:
    try:
        return read_regular(name, inside=folder, largest=LARGEST_RECORD)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _broken(folder, name, f"cannot be read: {error.strerror}") from error


def _entry(folder: Path, number: int, line: bytes, before: list[LogEntry]) -> LogEntry:
    try:
        found = checked(LogEntry, parse_json(line))
    except ValueError as error:
        raise _broken(folder, HISTORY, f"is damaged in line {number}: {error}") from error
    previous = before[-1].digest() if before else NO_ENTRY
    if found.line() != line or found.number != number or found.previous != previous:
        raise _broken(folder, HISTORY, f"was changed in line {number}, or before it")
    return found


def _check_head(folder: Path, entries: list[LogEntry], content: bytes | None) -> None:
    """Compare the log with what was written down after its last change.

    A process that was killed between the two has written one line more.
    """
    head = _Head(aliases={}, entries=0, head=NO_ENTRY)
    if content is not None:
        try:
            head = checked(_Head, parse_json(content))
        except ValueError as error:
            raise _broken(folder, ALIASES, f"is damaged: {error}") from error
    elif len(entries) > 1:
        raise _broken(folder, ALIASES, "is missing")
    known = entries[: head.entries]
    last = known[-1].digest() if known else NO_ENTRY
    if len(known) != head.entries or last != head.head:
        raise _broken(folder, HISTORY, f"is not the log of {head.entries} changes that it was")
    if _meant(known) != head.aliases:
        raise _broken(folder, ALIASES, f"was changed: it is not what '{HISTORY}' tells")
    if len(entries) > head.entries + 1:
        raise _broken(folder, HISTORY, f"has more than the {head.entries} changes that it had")


def _meant(entries: "list[LogEntry] | tuple[LogEntry, ...]") -> dict[str, int]:
    return {entry.alias: entry.version for entry in entries}


def _broken(folder: Path, name: str, what: str) -> IntegrityError:
    return IntegrityError(
        f"'{printable(folder / name)}' {what}. Restore '{HISTORY}' and '{ALIASES}' from a copy; "
        "until then nothing vouches for the aliases."
    )
