"""What is different between two versions of a model: data, settings, numbers and files."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kerasrecipes.arguments import named
from kerasrecipes.errors import printable
from kerasrecipes.release.bundle import Bundle
from kerasrecipes.statistics.shown import Part, Shown
from kerasrecipes.statistics.tables import Table

_SHOWN = 60


@dataclass(frozen=True)
class Changed:
    """One thing that differs; an empty text where one of the two has none.

    Args:
        about: `"data"`, `"settings"`, `"what it is"`, `"measured"` or `"files"`.
        name: E.g. `"dropout"`.
        before: In the first version.
        after: In the second.
    """

    about: str
    name: str
    before: str
    after: str


@dataclass(frozen=True)
class VersionDifference(Shown):
    """What differs between two versions of a model; print it.

    Args:
        before: The first one's folder.
        after: The second one's.
        changes: Each difference.
    """

    before: Path
    after: Path
    changes: tuple[Changed, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the differences as plain values for JSON."""
        changes = [asdict(one) for one in self.changes]
        return {"before": str(self.before), "after": str(self.after), "changes": changes}

    def parts(self) -> Iterator[Part]:
        """Yield a table of each kind of difference."""
        if not self.changes:
            yield f"'{printable(self.before)}' and '{printable(self.after)}' say the same."
        for about in dict.fromkeys(one.about for one in self.changes):
            rows = tuple(
                (one.name, _short(one.before), _short(one.after))
                for one in self.changes
                if one.about == about
            )
            yield Table(about.capitalize(), ("", str(self.before), str(self.after)), rows)


@named
def diff_versions(before: Bundle | str | Path, after: Bundle | str | Path) -> VersionDifference:
    """Tell what is different between two saved models.

    Whether one answers better is another question, which `compare_bundles` answers.

    Args:
        before: A bundle, or its folder; a model's folder stands for its latest version.
        after: Another one.

    Raises:
        DataError: If there is none.
        IntegrityError: If a file was changed.
    """
    first, second = Bundle.load(before), Bundle.load(after)
    changes: list[Changed] = list(_data(first, second))
    for about, told in {
        "what it is": _what_it_is, "settings": _settings, "measured": _measured, "files": _files,
    }.items():  # fmt: skip
        changes += _changed(about, told(first), told(second))
    return VersionDifference(first.folder, second.folder, tuple(changes))


def _changed(about: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Changed]:
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name, ""), after.get(name, "")
        if old != new:
            yield Changed(about, name, old, new)


def _data(first: Bundle, second: Bundle) -> Iterator[Changed]:
    """Tell how many examples came and went, side by side."""
    noun, old, new = first.modality.noun[1], first.seen(), second.seen()
    for side in sorted({*old.values(), *new.values()}):
        was, now = ({key for key, split in one.items() if split == side} for one in (old, new))
        if was != now:
            told = f"{len(now):,} ({len(now - was):,} new, {len(was - now):,} gone)"
            yield Changed("data", f"{side} {noun}", f"{len(was):,}", told)


def _what_it_is(bundle: Bundle) -> dict[str, str]:
    told = bundle.manifest
    parts = {"input": told.input.model_dump(mode="json")}
    parts |= {f"output {one.name}": one.model_dump(mode="json") for one in told.outputs}
    return {"recipe": told.recipe_type, "made": told.created, **_flat(parts)}


def _settings(bundle: Bundle) -> dict[str, str]:
    told = bundle.manifest
    return _flat({**told.recipe, "seeds": told.seeds, "versions": told.versions})


def _measured(bundle: Bundle) -> dict[str, str]:
    return _flat(bundle.manifest.metrics)


def _files(bundle: Bundle) -> dict[str, str]:
    found = {f"exports/{name}": one for name, one in bundle.exports().items()}
    exports = {n: f"{one.size_bytes:,} bytes, {one.sha256[:12]}" for n, one in found.items()}
    sizes, digests = bundle.manifest.size_bytes, bundle.manifest.sha256
    own = {
        name: f"{sizes.get(name, 0):,} bytes, {digest[:12]}"
        for name, digest in digests.items()
        if "/" not in name
    }
    return {**own, **exports}


def _flat(values: Any, inside: str = "") -> dict[str, str]:
    """Return nested values by dotted names, as text."""
    if isinstance(values, Mapping):
        found: dict[str, str] = {}
        for name, value in values.items():
            found |= _flat(value, f"{inside}.{name}" if inside else str(name))
        return found
    return {inside: f"{values:.6g}" if isinstance(values, float) else str(values)}


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
