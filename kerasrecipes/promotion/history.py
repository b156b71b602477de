"""What the log of a model's aliases tells, for people."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasrecipes.arguments import named
from kerasrecipes.bundles.aliases import LogEntry, read_aliases
from kerasrecipes.bundles.versions import versions
from kerasrecipes.errors import DataError, printable
from kerasrecipes.statistics.shown import Part, Shown
from kerasrecipes.statistics.tables import Table


@dataclass(frozen=True)
class ModelHistory(Shown):
    """Which versions a model has, what its aliases mean, and how that came; print it.

    Args:
        model: The model's folder.
        versions: Its versions.
        aliases: Which version each alias means.
        entries: All changes, oldest first.
        head: Digest of the last line of the log; kept elsewhere, it shows that nothing was
            rewritten since.
    """

    model: Path
    versions: tuple[int, ...]
    aliases: dict[str, int]
    entries: tuple[LogEntry, ...]
    head: str

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain values for JSON."""
        plain = {"model": str(self.model), "versions": list(self.versions), "head": self.head}
        entries = [one.model_dump(mode="json") for one in self.entries]
        return {**plain, "aliases": self.aliases, "entries": entries}

    def parts(self) -> Iterator[Part]:
        """Yield what the aliases mean now, and each change."""
        meant = ", ".join(f"{name} is {version}" for name, version in sorted(self.aliases.items()))
        numbers = ", ".join(map(str, self.versions))
        yield f"'{printable(self.model)}' has the versions {numbers}; {meant or 'no alias'}."
        if self.entries:
            rows = tuple(_row(entry) for entry in self.entries)
            yield Table("History", ("when", "what", "from", "to", "who", "why"), rows)
            yield f"The log is whole; its last line has the digest {self.head}."


@named
def model_history(model: str | Path) -> ModelHistory:
    """Tell what the aliases of a model mean, and how that came.

    Args:
        model: The model's folder.

    Raises:
        DataError: If it holds no versions.
        IntegrityError: If the log was changed.
    """
    model = Path(model)
    known = tuple(sorted(versions(model)))
    if not known:
        raise DataError(
            f"'{printable(model)}' holds no versions of a model. Name its folder, e.g. "
            "saved_models/tiles."
        )
    log = read_aliases(model)
    return ModelHistory(model, known, log.aliases, log.entries, log.head)


def _row(entry: LogEntry) -> tuple[str, ...]:
    before = "–" if entry.before is None else str(entry.before)
    what = f"{entry.action} {entry.alias}"
    return entry.when, what, before, str(entry.version), entry.who, entry.why
