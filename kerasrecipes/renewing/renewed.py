"""What came of a retraining: what was learned, what was forgotten, and whether it may be used."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kerasrecipes.arguments import named
from kerasrecipes.errors import printable
from kerasrecipes.release.bundle import Bundle
from kerasrecipes.release.comparison import SIGNIFICANCE, Comparison
from kerasrecipes.statistics.estimate import Estimate
from kerasrecipes.statistics.shown import Part, Shown
from kerasrecipes.statistics.tables import Table


@named
@dataclass(frozen=True)
class Renewed(Shown):
    """A candidate beside the model in use; print it.

    Args:
        bundle: The candidate, a new version.
        champion: Name and version of the model in use.
        new: How many examples of each side no version had seen before.
        ways: Where training began, to the quality on validation examples.
        chosen: Where that of the candidate began.
        before: Both on what the model in use was tested on: what was forgotten shows here. `None`
            if none of that is there any more.
        after: Both on test examples that are new; `None` if there are none.
        refused: What the gates say against it; empty if nothing.
        alias: The alias that it has if the gates let it pass.
    """

    bundle: Bundle
    champion: str
    new: Mapping[str, int]
    ways: Mapping[str, Estimate]
    chosen: str
    before: Comparison | None
    after: Comparison | None
    refused: str
    alias: str

    @property
    def passed(self) -> bool:
        """Whether the gates let it pass."""
        return not self.refused

    @property
    def forgotten(self) -> tuple[str, ...]:
        """The classes that it is shown to know less of than the model in use."""
        if self.before is None:
            return ()
        found = self.before.classes
        return tuple(one.name for one in found if one.verdict(SIGNIFICANCE) == -1)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain values for JSON."""
        looks = {"before": self.before, "after": self.after}
        return {
            "candidate": str(self.bundle.folder),
            "champion": self.champion,
            "new": dict(self.new),
            "ways": {name: one.to_list() for name, one in self.ways.items()},
            "chosen": self.chosen,
            **{name: None if one is None else one.to_dict() for name, one in looks.items()},
            "forgotten": list(self.forgotten),
            "refused": self.refused,
            "alias": self.alias if self.passed else None,
        }

    def parts(self) -> Iterator[Part]:
        """Yield what was done, why, and what came of it."""
        counts = ", ".join(f"{count} {side}" for side, count in self.new.items())
        yield f"New since {printable(self.champion)}: {counts}."
        rows = tuple(
            (name, one.percent(1), "chosen" if name == self.chosen else "")
            for name, one in self.ways.items()
        )
        yield Table("Where training began", ("begun from", "on validation examples", ""), rows)
        for title, found in (
            ("What the model in use was tested on", self.before),
            ("New test examples", self.after),
        ):
            yield from ("", f"{title}:", "none." if found is None else found)
        yield ""
        if self.forgotten:
            yield f"FORGOTTEN: it knows less of {', '.join(map(printable, self.forgotten))}."
        where = printable(self.bundle.folder)
        if self.passed:
            yield f"'{where}' passed the gates, and is '{printable(self.alias)}' now."
        else:
            yield f"'{where}' did not pass, and no alias was changed. {printable(self.refused)}"
