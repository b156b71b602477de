"""What an exported file must say about itself so that it can be used away from its bundle."""

import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from kerasrecipes.errors import DataError, listed, printable


@dataclass(frozen=True)
class Contract:
    """Labels and decoding policy of one exported file.

    Args:
        class_names: The labels, in the order of the scores, exactly as in training.
        policy: How photos are decoded; see `DecodePolicy.to_dict`.
        description: One line about the model.
    """

    class_names: tuple[str, ...]
    policy: Mapping[str, object] = field(default_factory=dict)
    description: str = ""

    def to_json(self) -> str:
        """Return the contract as one line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes, source: object) -> "Contract":
        """Read a contract that was found in a file.

        Args:
            text: What the file holds.
            source: What to call the file in the message.

        Raises:
            DataError: If it is not a contract.
        """
        try:
            values = json.loads(text)
            names, policy, description = (
                values[key] for key in ("class_names", "policy", "description")
            )
            if not (names and isinstance(names, list) and all(isinstance(n, str) for n in names)):
                raise ValueError("`class_names` is no list of names")
            if not (isinstance(policy, dict) and isinstance(description, str)):
                raise ValueError("a value has the wrong type")
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise DataError(
                f"'{printable(source)}' carries no readable labels ({printable(error)}). Export "
                "the model with kerasrecipes, or use its bundle."
            ) from error
        return cls(tuple(names), policy, description)


def check_class_names(class_names: Sequence[str]) -> None:
    """Refuse class names that a file of labels cannot keep apart.

    Args:
        class_names: The labels, in the order of the scores.

    Raises:
        DataError: If a name is empty, or two look the same in the file of labels.

    Example:
        >>> check_class_names(["good", "cracked"])
    """
    lines = [label_line(name) for name in class_names]
    empty = [index for index, line in enumerate(lines) if not line.strip()]
    if empty:
        raise DataError(
            f"Class {empty[0]} has an empty name, which readers of TFLite labels drop. "
            "Rename the class."
        )
    twins = sorted({line for line in lines if lines.count(line) > 1})
    if twins:
        raise DataError(
            f"Several classes are called {listed(twins)} in the file of labels. Rename them so "
            "that they differ by more than a line break."
        )


def label_line(name: str) -> str:
    """Write a name on one line: control characters and broken Unicode are escaped."""
    return "".join(
        char.encode("unicode_escape", "surrogatepass").decode("ascii")
        if unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"}
        else char
        for char in name
    )
