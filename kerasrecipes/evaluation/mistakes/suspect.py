"""An example that somebody should look at, and why."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from kerasrecipes.errors import DataError
from kerasrecipes.records import checked

Kind = Literal[
    "label_error", "confident_mistake", "conflicting_copy", "outlier", "left_to_a_person",
    "disagreement", "new",
]  # fmt: skip
# In the order in which they are worth a person's time, with what people call several of them.
KINDS: dict[Kind, str] = {
    "label_error": "Labels that are likely wrong",
    "conflicting_copy": "Examples that look the same and have different labels",
    "confident_mistake": "Mistakes that the model was surest of",
    "outlier": "Examples that are like no other",
}
# Of what a server was asked.
ASKED_KINDS: dict[Kind, str] = {
    "disagreement": "What two versions answer otherwise",
    "left_to_a_person": "What the model left to a person",
    "new": "What is unlike all that the model learned from",
}


@dataclass(frozen=True)
class Suspect:
    """One example to look at. All texts may hold names from the data: escape them on a page.

    Args:
        kind: Why it is one; see `KINDS` and `ASKED_KINDS`.
        index: Its row among the examples that were looked at.
        score: How suspicious it is among its kind, 0…1.
        label: What it is labelled with, in words.
        suggestion: What it should perhaps be; empty where nothing is known.
        beside: Rows of others to look at beside it: copies of it, or its nearest neighbours.
        reason: What speaks against it, in a few words.
    """

    kind: Kind
    index: int
    score: float
    label: str
    suggestion: str = ""
    beside: tuple[int, ...] = ()
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-safe data."""
        return {**asdict(self), "beside": list(self.beside)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Suspect":
        """Build it from what `to_dict` returned.

        Raises:
            DataError: If something is missing, or of another kind.
        """
        try:
            found = checked(cls, dict(data))
        except (TypeError, ValueError) as error:
            raise DataError(f"The suspect is damaged: {error}. Look for mistakes again.") from error
        if found.index < 0 or not 0 <= found.score <= 1 or min(found.beside, default=0) < 0:
            raise DataError(
                "The suspect's rows must be at least 0, and its score 0…1. Look for mistakes again."
            )
        return found


def in_words(label: Any, unit: str = "") -> str:
    """Write down what an example is labelled with, whatever the task.

    Args:
        label: A class; labels; or a number.
        unit: Unit of the number.

    Example:
        >>> in_words("crack"), in_words(("dent", "rust")), in_words(()), in_words(0.25, "mm")
        ('crack', 'dent, rust', 'no label', '0.25 mm')
    """
    if isinstance(label, str):
        return label
    if isinstance(label, tuple | list):
        return ", ".join(label) or "no label"
    return f"{label:.4g} {unit}".strip() if math.isfinite(label) else "no number"
