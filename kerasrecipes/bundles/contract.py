"""What an exported file must say about itself so that it can be used away from its bundle."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kerasrecipes.data.specs import ModelInput, OutputSpec
from kerasrecipes.errors import DataError, printable
from kerasrecipes.records import parse_json, what_is_wrong

VERSION = 2


class Contract(BaseModel):
    """What one exported file takes, and what it answers with.

    Args:
        modality: The kind of data; see `kerasrecipes.data.modality.get_modality`.
        input: What the file takes.
        outputs: What it answers with, by name.
        description: One line about the model.
        licence: That of the weights which it was begun with; empty if that is not known.
        version: Of the form in which files hold it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    modality: str
    input: ModelInput
    outputs: tuple[OutputSpec, ...] = Field(min_length=1)
    description: str = ""
    licence: str = ""
    version: int = VERSION

    @property
    def output(self) -> OutputSpec:
        """What the file answers with, first of all."""
        return self.outputs[0]

    def to_dict(self) -> dict[str, Any]:
        """Return what a file holds."""
        told = self.model_dump(mode="json")
        if not self.licence:
            del told["licence"]
        return told

    def to_json(self) -> str:
        """Return the contract as one line of JSON."""
        # Not by pydantic, which cannot write names that are no Unicode.
        return json.dumps(self.to_dict())

    @classmethod
    def from_dict(cls, values: Any) -> "Contract":
        """Build a contract of any version of the form.

        Args:
            values: What a file holds. Of the form 1, which knew classifiers of photos alone, the
                `class_names` are enough.

        Raises:
            ValueError: If it is not a contract, or a newer version of kerasrecipes wrote it.

        Example:
            >>> Contract.from_dict({"class_names": ["cracked", "good"]}).output.name
            'scores'
        """
        if not isinstance(values, dict):
            raise ValueError("it is no object")
        version = values.get("version", 1)
        if isinstance(version, int) and version > VERSION:
            raise ValueError(f"it has the form {version}, which a newer kerasrecipes wrote")
        try:
            return cls.model_validate(_from_1(values) if version == 1 else values)
        except ValidationError as error:
            raise ValueError(what_is_wrong(error)) from error

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
            return cls.from_dict(parse_json(text))
        except ValueError as error:
            raise DataError(
                f"'{printable(source)}' carries no readable labels ({printable(error)}). Export "
                "the model with kerasrecipes, or use its bundle."
            ) from error


def licence_of(weights: Mapping[str, str]) -> str:
    """Return the licence that a file states; empty where there were no weights to begin with.

    Args:
        weights: What a report or a manifest says of the first weights.
    """
    licence = weights.get("licence", "")
    return "" if licence == "none" else licence


def _from_1(values: dict[str, Any]) -> dict[str, Any]:
    """The form 1 knew photos with one label each: it had `class_names` and `policy`."""
    names = values.get("class_names")
    if not (names and isinstance(names, list)):
        raise ValueError("`class_names` is no list of names")
    told = {
        "name": "photo",
        "shape": (None, None, 3),
        "dtype": "uint8",
        "preparation": values.get("policy", {}),
    }
    return {
        "modality": "photos",
        "input": told,
        "outputs": [{"name": "scores", "task": "classification", "class_names": names}],
        "description": values.get("description", ""),
    }
