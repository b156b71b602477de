"""What a version is made of, for programs that list what an organisation uses: CycloneDX."""

import json
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from kerasrecipes._version import __version__
from kerasrecipes.arguments import named
from kerasrecipes.bundles.bundle import BundleFolder
from kerasrecipes.data.specs import ModelInput, OutputSpec
from kerasrecipes.files import files_in, write_whole

# What names are made from; any that stays the same.
_NAMESPACE = uuid.UUID("6d1f6a53-5d0c-4a94-9d6e-5b1c4d4b2a77")
_MODEL = "model"
_KINDS = {"photos": "image", "texts": "string", "signals": "time series"}


@named
def write_bom(model: BundleFolder | str | Path, to: str | Path) -> Path:
    """Write what a version is made of as a CycloneDX ML-BOM, JSON of version 1.6.

    It tells the digests of the version and of its exported files, what it was measured to be worth
    with intervals, what it takes and answers with, the pretrained weights with their licence, the
    versions before it that it learned from, how many examples it learned from, and the versions of
    the libraries. The same version gives the same file.

    Args:
        model: A bundle, or its folder; a model's folder stands for its latest version.
        to: The new file, e.g. `"bom.json"`; one that is there is replaced.

    Returns:
        The file.

    Raises:
        DataError: If there is no bundle.
        IntegrityError: If a file of it was changed.
        OSError: If the file cannot be written.

    Reference:
        https://cyclonedx.org/capabilities/mlbom, and ECMA-424, "CycloneDX Bill of Materials".
    """
    bundle = BundleFolder.load(model)
    bundle.check()
    parts = [*_exports(bundle), *_weights(bundle), *_data(bundle), *_libraries(bundle)]
    told = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, bundle.sha256)}",
        "version": 1,
        "metadata": {
            "timestamp": _moment(bundle.manifest.created),
            "tools": {"components": [_library("kerasrecipes", __version__)]},
            "component": _described(bundle),
        },
        "components": parts,
        "dependencies": [{"ref": _MODEL, "dependsOn": [part["bom-ref"] for part in parts]}],
    }
    to = Path(to)
    write_whole(to, (json.dumps(told, indent=2, ensure_ascii=False) + "\n").encode())
    return to


def _moment(created: str) -> str:
    """Return a time with its zone, which older versions of this package did not tell."""
    found = datetime.fromisoformat(created)
    return found.isoformat() if found.tzinfo else f"{found.isoformat()}Z"


def _sha256(digest: str) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": digest}]


def _described(bundle: BundleFolder) -> dict[str, Any]:
    manifest = bundle.manifest
    files = [
        {"type": "file", "name": name, "hashes": _sha256(digest)}
        for name, digest in sorted(manifest.sha256.items())
    ]
    return {
        "type": "machine-learning-model",
        "bom-ref": _MODEL,
        "name": bundle.folder.parent.name,
        "version": bundle.folder.name,
        "description": f"{manifest.recipe_type} for {manifest.modality}",
        "hashes": _sha256(bundle.sha256),
        "modelCard": {
            "modelParameters": {
                "approach": {"type": "supervised"},
                "task": bundle.output.task,
                "architectureFamily": "neural network",
                "modelArchitecture": manifest.weights.get("name", "of its own"),
                "inputs": [{"format": _takes(manifest.modality, manifest.input)}],
                "outputs": [{"format": _gives(one)} for one in manifest.outputs],
            },
            "quantitativeAnalysis": {"performanceMetrics": list(_measured(manifest.metrics))},
        },
        "components": files,
    }


def _takes(modality: str, takes: ModelInput) -> str:
    return f"{_KINDS.get(modality, modality)}, {takes.dtype} {list(takes.shape)}"


def _gives(gives: OutputSpec) -> str:
    names = ", ".join(gives.class_names) or gives.unit or "numbers"
    return f"{gives.name}: {gives.task} ({names})"


def _measured(metrics: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield every number that was measured with an interval, of each side."""
    for side, found in sorted(metrics.items()):
        for name, value in sorted(found.items()):
            if _is_estimate(value):
                number, low, high = map(str, value)
                interval = {"lowerBound": low, "upperBound": high}
                one = {"type": name, "value": number, "slice": side}
                yield {**one, "confidenceInterval": interval}


def _is_estimate(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 3
        and all(isinstance(one, int | float) and not isinstance(one, bool) for one in value)
    )


def _exports(bundle: BundleFolder) -> Iterator[dict[str, Any]]:
    for name, record in sorted(bundle.exports().items()):
        found: dict[str, Any] = {"type": "file", "bom-ref": f"export {name}", "name": record.file}
        passed = "verified" if record.verification.get("passed") else "not verified"
        found["description"] = f"the export {name}, {record.size_bytes:,} bytes, {passed}"
        if record.path.is_file():
            yield {**found, "hashes": _sha256(record.sha256)}
        else:  # of a folder, there is no digest that others could check
            inner = sorted(
                path.relative_to(record.path).as_posix() for path in files_in(record.path)
            )
            yield {**found, "components": [{"type": "file", "name": one} for one in inner]}


def _weights(bundle: BundleFolder) -> Iterator[dict[str, Any]]:
    """Yield what the model began with: pretrained weights, and versions that it learned from."""
    told = bundle.manifest.weights
    licence = told.get("licence", "none")
    if told and licence != "none":
        yield {
            "type": "machine-learning-model",
            "bom-ref": "pretrained weights",
            "name": told.get("name", "pretrained weights"),
            "description": told.get("source", ""),
            "licenses": [{"license": {"name": licence}}],
        }
    for number, parent in enumerate(bundle.manifest.parents):
        yield {
            "type": "machine-learning-model",
            "bom-ref": f"parent {number}",
            "name": parent.model,
            "description": parent.how,
            "hashes": _sha256(parent.sha256),
        }


def _data(bundle: BundleFolder) -> Iterator[dict[str, Any]]:
    digest = bundle.manifest.sha256.get("data.jsonl")
    for side, counts in sorted(bundle.manifest.counts.items()):
        names = "; ".join(f"{name}: {count:,}" for name, count in counts.items())
        found = {
            "type": "dataset",
            "name": side,
            "description": f"{sum(counts.values()):,} {bundle.manifest.modality}. {names}",
            "classification": "not stated",
        }
        one: dict[str, Any] = {"type": "data", "bom-ref": f"data {side}", "name": side}
        yield {**one, **({"hashes": _sha256(digest)} if digest else {}), "data": [found]}


def _libraries(bundle: BundleFolder) -> Iterator[dict[str, Any]]:
    for name, version in sorted(bundle.manifest.versions.items()):
        yield _library(name, version)


def _library(name: str, version: str) -> dict[str, Any]:
    found = {"type": "library", "bom-ref": f"library {name}", "name": name, "version": version}
    if name == "python":
        return found
    return {**found, "purl": f"pkg:pypi/{quote(name.lower())}@{quote(version)}"}
