"""Letting an alias mean another version of a model: through the gates, or back to where it was."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasrecipes.arguments import named
from kerasrecipes.bundles.aliases import GateResult, LogEntry, check_alias
from kerasrecipes.bundles.versions import is_bundle, versions
from kerasrecipes.errors import DataError, IntegrityError, VerificationError, listed, printable
from kerasrecipes.promotion.gates import Gates, read_gates
from kerasrecipes.promotion.judging import Judged
from kerasrecipes.promotion.log import OpenLog, changing, this_user
from kerasrecipes.release.bundle import Bundle
from kerasrecipes.serve.predictor import chosen_export
from kerasrecipes.statistics.shown import Part, Shown
from kerasrecipes.statistics.tables import Table


class PromotionRefused(VerificationError):
    """A version does not pass a gate; no alias was changed.

    Args:
        message: What to say.
        gates: What each gate said.
    """

    def __init__(self, message: str, gates: tuple[GateResult, ...] = ()):
        super().__init__(message)
        self.gates = gates


@dataclass(frozen=True)
class Promotion(Shown):
    """An alias that means another version now; print it.

    Args:
        model: The model's folder.
        entry: What the log says of it.
    """

    model: Path
    entry: LogEntry

    @property
    def version(self) -> int:
        """The version that the alias means."""
        return self.entry.version

    def to_dict(self) -> dict[str, Any]:
        """Return what the log says, as plain values for JSON."""
        return {"model": str(self.model), **self.entry.model_dump(mode="json")}

    def parts(self) -> Iterator[Part]:
        """Yield what happened, and what the gates said."""
        entry = self.entry
        was = "" if entry.before is None else f", and no longer version {entry.before}"
        yield (
            f"'{printable(entry.alias)}' of '{printable(self.model)}' is version {entry.version} "
            f"now{was}."
        )
        if entry.gates:
            yield _table(entry.gates)


@named
def promote_version(
    model: str | Path,
    version: int,
    *,
    alias: str = "champion",
    gates: Gates | str | Path | None = None,
    who: str | None = None,
    why: str = "",
) -> Promotion:
    """Let an alias mean a version of a model, if it passes the gates.

    The version's files are checked, and its golden vectors run again, whatever the gates ask. What
    is asked is the exported file, as it answers in use; tensorflow is not needed.

    Args:
        model: The model's folder, e.g. `saved_models/tiles`.
        version: The number of the version.
        alias: The alias, e.g. `"champion"` for the one in use.
        gates: What is asked, or a TOML file that says so.
        who: Who does it, for the log; by default the name of this user.
        why: The reason, for the log.

    Returns:
        What was done; print it.

    Raises:
        PromotionRefused: If it does not pass; it names each gate and its numbers.
        DataError: If there is no such version, it is the one already, the gates or their photos
            cannot be used, or somebody else changes an alias now.
        IntegrityError: If a file of the version, or the log, was changed.
        ValueError: If it can be no alias.
    """
    model, who = Path(model), this_user(who)
    check_alias(alias)
    asked, digest = gates_of(gates)
    _check_version(model, version)
    with changing(model) as log:
        before = log.log.aliases.get(alias)
        if before == version:
            raise DataError(
                f"'{printable(alias)}' of '{printable(model)}' is version {version} already. Name "
                "another version."
            )
        bundle = Bundle.load(model / str(version))
        champion = None if before is None else Bundle.load(_existing(model, before))
        export = chosen_export(bundle)
        results = Judged(bundle, export, champion, asked).results()
        if failed := [one for one in results if not one.passed]:
            told = "; ".join(f"{one.name}: {printable(one.told)}" for one in failed)
            raise PromotionRefused(
                f"Version {version} of '{printable(model)}' does not pass {len(failed)} of "
                f"{len(results)} gates: {told}. '{printable(alias)}' is as it was.",
                results,
            )
        files = {"bundle_sha256": bundle.sha256, "export": export.name}
        entry = log.add(
            action="promote", alias=alias, before=before, version=version, who=who, why=why,
            gates=results, gates_sha256=digest, export_sha256=export.sha256, **files,
        )  # fmt: skip
    return Promotion(model, entry)


@named
def roll_back(
    model: str | Path, *, alias: str = "champion", who: str | None = None, why: str = ""
) -> Promotion:
    """Let an alias mean the version again that it meant before, at once.

    That version passed the gates when it was promoted. Its files are compared with the digests
    that the log keeps from then.

    Args:
        model: The model's folder.
        alias: The alias.
        who: Who does it, for the log; by default the name of this user.
        why: The reason, for the log.

    Returns:
        What was done; print it.

    Raises:
        DataError: If there is nothing to go back to, or somebody else changes an alias now.
        IntegrityError: If the version is not as it was when it was promoted, or the log was
            changed.
    """
    model, who = Path(model), this_user(who)
    if not versions(model):
        raise DataError(f"'{printable(model)}' holds no versions of a model. Name its folder.")
    with changing(model) as log:
        to = _before(log, alias)
        bundle = Bundle.load(_existing(model, to.version))
        export = chosen_export(bundle, to.export)
        if (bundle.sha256, export.sha256) != (to.bundle_sha256, to.export_sha256):
            raise IntegrityError(
                f"Version {to.version} of '{printable(model)}' is not what it was on {to.when}, "
                f"when it passed the gates. Promote a version through them: kerasrecipes promote "
                f"{printable(model)} VERSION --as {printable(alias)}"
            )
        entry = log.add(
            action="roll back", alias=alias, before=log.log.aliases[alias], version=to.version,
            who=who, why=why, bundle_sha256=to.bundle_sha256, export=to.export,
            export_sha256=to.export_sha256,
        )  # fmt: skip
    return Promotion(model, entry)


def gates_of(gates: Gates | str | Path | None) -> tuple[Gates, str]:
    """Return what is asked of a version, and the digest of the file that says so.

    Args:
        gates: The gates, or a TOML file; `None` for the usual ones.

    Raises:
        DataError: If they cannot be used.
        OSError: If the file cannot be read.
    """
    if isinstance(gates, str | Path):
        return read_gates(gates)
    asked = gates or Gates()
    asked.check("`gates`")
    return asked, ""


def _check_version(model: Path, version: int) -> None:
    """Refuse a version that is not there, before a lock is written."""
    known = sorted(versions(model))
    if not known:
        raise DataError(
            f"'{printable(model)}' holds no versions of a model. Name its folder, e.g. "
            "saved_models/tiles."
        )
    if version not in known:
        raise DataError(
            f"'{printable(model)}' has no version {version!r}; it has {listed(known, 20)}."
        )


def _existing(model: Path, version: int) -> Path:
    folder = model / str(version)
    if not is_bundle(folder):
        raise DataError(
            f"Version {version} is not there any more in '{printable(model)}'. Restore it from a "
            "copy, to compare with it."
        )
    return folder


def _before(log: OpenLog, alias: str) -> LogEntry:
    """Find the promotion of the version that an alias meant before; going back undoes it."""
    meant: list[LogEntry] = []
    for entry in log.log.entries:
        if entry.alias != alias:
            continue
        if entry.action == "promote":
            meant.append(entry)
        elif entry.action in ("roll back", "take back"):
            meant.pop()
    if len(meant) < 2:
        has = f"it has meant version {meant[0].version} alone" if meant else "there is none"
        raise DataError(
            f"There is nothing to roll '{printable(alias)}' of '{printable(log.folder)}' back to: "
            f"{has}. See: kerasrecipes history {printable(log.folder)}"
        )
    return meant[-2]


def _table(gates: tuple[GateResult, ...]) -> Table:
    rows = tuple((one.name, "passed" if one.passed else "FAILED", one.told) for one in gates)
    return Table("Gates", ("gate", "", ""), rows)
