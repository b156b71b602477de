"""What held-out examples looked like when a model was made: what later ones are compared with."""

import hashlib
import io
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from kerasrecipes.arguments import named
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.drift.observed import Observed
from kerasrecipes.errors import IntegrityError, printable
from kerasrecipes.file_budget import read_arrays
from kerasrecipes.heads import get_task
from kerasrecipes.records import checked, parse_json
from kerasrecipes.regular import LARGEST_RECORD, read_regular
from kerasrecipes.statistics.clustered import clustered_error

PROFILE_FILE = "profile.npz"
# Examples that are kept, and numbers that stand for what the model sees in each.
MOST_EXAMPLES = 1000
DIRECTIONS = 64
# Less than what float16 holds.
_MOST = 6e4
# Features that hardly differ at all keep directions that float16 holds, too.
_SMALLEST_UNIT = 1e-3
# Below this many a comparison says next to nothing.
FEWEST = 50
# What numpy, zipfile and pydantic raise for files that are not what they should be.
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error)


class ProfileFacts(BaseModel):
    """What a profile says of itself.

    Args:
        format: Version of the file's format.
        modality: The kind of data.
        output: What the model answers with.
        inputs: Names of what was measured of the inputs.
        quality: Mean quality of the answers to these examples; see `Task.quality`.
        quality_error: Its standard error.
        windows: Size of each of its own windows, by time or group, and how likely it would differ
            so much from the rest by chance.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = Field(default=2, ge=2, le=2)
    modality: str
    output: OutputSpec
    inputs: tuple[str, ...]
    quality: float
    quality_error: float
    windows: tuple[tuple[int, float], ...] = ()


@named
@dataclass(frozen=True)
class ReferenceProfile:
    """A sketch of held-out examples: measurements, no photos and no names.

    Args:
        facts: What it says of itself.
        inputs: What was measured of the inputs, float32 `(n, names)`.
        answers: What the model answered, float32 `(n, width)`.
        targets: What it should have answered, float32; see `Task.targets`.
        features: What it saw in them, in `DIRECTIONS` random directions, float16.
        centre: Mean of the features, float32 `(d,)`.
        directions: The directions, float16 `(d, DIRECTIONS)`.
    """

    facts: ProfileFacts
    inputs: np.ndarray
    answers: np.ndarray
    targets: np.ndarray
    features: np.ndarray
    centre: np.ndarray
    directions: np.ndarray

    def __len__(self) -> int:
        return len(self.answers)

    @classmethod
    @named
    def of(
        cls,
        seen: Observed,
        output: OutputSpec,
        modality: str,
        *,
        seed: int = 0,
    ) -> "ReferenceProfile":
        """Sketch examples that a model was neither trained nor chosen on.

        Args:
            seen: What was measured of them, with targets; of 50 groups or more one example of
                each is kept, and of more than `MOST_EXAMPLES` some are drawn.
            output: What the model answers with.
            modality: The kind of data.
            seed: Seed of the draw and of the directions.
        """
        rng = np.random.default_rng(seed)
        if seen.targets is None:
            raise ValueError("`seen` must have `targets`: what should be answered.")
        quality = get_task(output.task).quality(seen.targets, seen.answers, output)
        facts = ProfileFacts(
            modality=modality,
            output=output,
            inputs=tuple(seen.inputs),
            quality=float(np.mean(quality)),
            quality_error=_error(np.asarray(quality, np.float64), seen.clusters),
        )
        seen = seen.one_of_each_group(FEWEST, seed)
        if len(seen) > MOST_EXAMPLES:
            seen = seen.rows(np.sort(rng.permutation(len(seen))[:MOST_EXAMPLES]))
        centre, size = seen.features.mean(axis=0), seen.features.shape[1]
        # One unit for all features: divided by its own spread, a feature that is nearly constant
        # in these examples would make others look strange.
        unit = max(_SMALLEST_UNIT, float(np.sqrt(seen.features.var(axis=0).mean())))
        directions = rng.normal(size=(size, DIRECTIONS)) / (unit * np.sqrt(size))
        sketch = cls(
            facts,
            np.array(list(seen.inputs.values()), np.float32).reshape(-1, len(seen)).T,
            seen.answers.astype(np.float32),
            np.asarray(seen.targets, np.float32),
            np.zeros((0, DIRECTIONS), np.float16),
            centre.astype(np.float32),
            directions.astype(np.float16),
        )
        return cls(**{**vars(sketch), "features": sketch.sketched(seen).features})

    def sketched(self, seen: Observed) -> Observed:
        """Return measurements as the profile keeps its own, features in its directions."""
        projected = (seen.features - self.centre) @ self.directions.astype(np.float32)
        return Observed(
            {name: seen.inputs[name].astype(np.float32) for name in self.facts.inputs},
            np.clip(projected, -_MOST, _MOST).astype(np.float16),
            seen.answers.astype(np.float32),
            None if seen.targets is None else np.asarray(seen.targets, np.float32),
            seen.groups,
        )

    def digest(self) -> str:
        """Return what tells one profile from another."""
        told = hashlib.sha256(self.facts.model_dump_json().encode())
        for name in ("inputs", "answers", "targets", "features"):
            told.update(np.ascontiguousarray(getattr(self, name)).tobytes())
        return told.hexdigest()

    @named
    def write(self, path: Path) -> None:
        """Write the profile to a new file, a few hundred kilobytes."""
        arrays = {name: value for name, value in vars(self).items() if name != "facts"}
        np.savez_compressed(path, facts=np.array(self.facts.model_dump_json()), **arrays)

    @classmethod
    @named
    def read(cls, path: Path, content: bytes | None = None) -> "ReferenceProfile":
        """Read what `write` wrote.

        Args:
            path: The file.
            content: What is in it, where it was read and checked before.

        Raises:
            IntegrityError: If the file is damaged, or was written by a newer version.
        """
        try:
            file = io.BytesIO(read_regular(path) if content is None else content)
            held = read_arrays(file, LARGEST_RECORD)
            facts = checked(ProfileFacts, parse_json(str(held.pop("facts"))))
            profile = cls(facts, **held)
            profile._check_shapes()
        except _UNREADABLE as error:
            raise IntegrityError(
                f"'{printable(path)}' is no profile that this version can read: "
                f"{printable(error)[:200]}. Make it again with `profile_bundle`."
            ) from error
        return profile

    def _check_shapes(self) -> None:
        n, size = len(self.answers), len(self.centre)
        wanted = {
            "inputs": (n, len(self.facts.inputs)),
            "answers": (n, self.facts.output.width),
            "targets": (n, *self.targets.shape[1:2]),
            "features": (n, DIRECTIONS),
            "centre": (size,),
            "directions": (size, DIRECTIONS),
        }
        for name, shape in wanted.items():
            found = getattr(self, name)
            if found.shape != shape or not np.isfinite(found).all():
                raise ValueError(f"{name} has the shape {found.shape} instead of {shape}, or NaN")


def _error(values: np.ndarray, groups: np.ndarray | None) -> float:
    if groups is None:
        return float(np.std(values) / np.sqrt(len(values)))
    # Of one group nothing is known of others; the largest error that there can be is told.
    return min(clustered_error(values, groups), float(np.ptp(values)))
