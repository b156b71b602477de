"""What `bundle.json` says, in this version of the format and in those before it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from kerasrecipes.data.specs import ModelInput, OutputSpec
from kerasrecipes.errors import DataError, IntegrityError, printable
from kerasrecipes.records import checked, parse_json

MANIFEST = "bundle.json"
FORMAT_VERSION = 3


class Parent(BaseModel):
    """A saved model that another one was made of.

    Args:
        model: Its name and version, e.g. `"tiles 3"`.
        sha256: Digest of its `bundle.json`, which holds those of its files.
        how: What it gave, e.g. `"the same model, read otherwise"`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    sha256: str
    how: str


class Manifest(BaseModel):
    """The content of `bundle.json`."""

    model_config = ConfigDict(extra="forbid", strict=False)

    format_version: int
    name: str
    created: str
    recipe_type: str
    recipe: dict[str, Any]
    modality: str
    input: ModelInput
    outputs: tuple[OutputSpec, ...] = Field(min_length=1)
    counts: dict[str, dict[str, int]]
    excluded: int
    golden_split: str
    metrics: dict[str, dict[str, Any]]
    seeds: dict[str, int]
    versions: dict[str, str]
    weights: dict[str, str]
    optimization: list[dict[str, Any]] = []
    parents: tuple[Parent, ...] = ()
    # Of the files by name, but for exports. The formats 1 and 2 knew no sizes.
    sha256: dict[str, str]
    size_bytes: dict[str, int] = {}
    # Whether nothing may lie in `exports/` but what its seal vouches for. Where a bundle of the
    # formats 1 and 2 has no seal, each export vouches for itself.
    exports_sealed: bool = True


def new_manifest(**fields: Any) -> Manifest:
    """Make a manifest of this version of the format.

    Args:
        **fields: Everything but `format_version`.
    """
    return Manifest(format_version=FORMAT_VERSION, **fields)


def parse_manifest(content: bytes, folder: Path) -> Manifest:
    """Read a manifest of any version of the format, as one of this version.

    Args:
        content: The file's bytes.
        folder: Where it lies, for the message.

    Raises:
        DataError: If a newer version of kerasrecipes wrote it.
        IntegrityError: If it is damaged.
    """
    try:
        return _parsed(content, folder)
    except DataError:
        raise
    except ValueError as error:
        raise IntegrityError(
            f"'{printable(folder / MANIFEST)}' is damaged: {error}. Restore the bundle from a "
            "copy, or train again."
        ) from error


def _parsed(content: bytes, folder: Path) -> Manifest:
    values = checked(dict[str, Any], parse_json(content))
    version = values.get("format_version")
    if not isinstance(version, int) or isinstance(version, bool):
        return checked(Manifest, values)
    if version > FORMAT_VERSION:
        raise DataError(
            f"'{printable(folder)}' has bundle format {version}, and this version of "
            f"kerasrecipes reads up to {FORMAT_VERSION}. Upgrade kerasrecipes."
        )
    for old in range(version, FORMAT_VERSION):
        if old in _MIGRATIONS:
            values = _MIGRATIONS[old](values)
    return checked(Manifest, values)


def _from_1(values: dict[str, Any]) -> dict[str, Any]:
    """Format 1 knew photos with one label each, and said so by `image_size` and `policy`."""
    values = dict(values)
    size, policy = values.pop("image_size", None), values.pop("policy", None)
    names = values.pop("class_names", None)
    for written_and_never_read in ("class_balance", "data_digests"):
        values.pop(written_and_never_read, None)
    if isinstance(size, list) and len(size) == 2:
        shape = (*size, 3)
        told = {"name": "photo", "shape": shape, "dtype": "uint8", "preparation": policy}
        values |= {"modality": "photos", "input": told}
    if isinstance(names, list):
        values["outputs"] = [{"name": "scores", "task": "classification", "class_names": names}]
    return values | {"format_version": 2}


def _from_2(values: dict[str, Any]) -> dict[str, Any]:
    """Format 2 stated no sizes, and its exports had no seal."""
    return values | {"format_version": 3, "exports_sealed": False}


_MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _from_1, 2: _from_2}
