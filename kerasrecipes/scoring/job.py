"""What is scored and by what: the same for all workers, and for whoever goes on later."""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from kerasrecipes.bundles.bundle import BundleFolder
from kerasrecipes.errors import DataError, listed, printable
from kerasrecipes.files import digest, write_whole
from kerasrecipes.records import checked, parse_json
from kerasrecipes.regular import read_regular
from kerasrecipes.serve.predictor import chosen_export

PLAN, FACTS, SUMMARY = "plan.json", "facts", "summary.json"


class Form(StrEnum):
    """How answers are written."""

    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


class Job(BaseModel):
    """One job, as `plan.json` keeps it.

    Args:
        format: Version of this format.
        model: The version of a saved model, or a lone file.
        export: Which of its exports answers; `None` for a lone file.
        digest: SHA-256 of the file that answers.
        base: The folder that the names of examples are relative to.
        inputs: Digest of these names.
        count: How many there are.
        shard_size: How many of them are one shard.
        form: How answers are written.
        top: How many classes are kept in the scores; `None` for all.
        share: Share of the examples that is measured for drift, 0…1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = Field(default=1, ge=1, le=1)
    model: str
    export: str | None
    digest: str
    base: str
    inputs: str
    count: int
    shard_size: int
    form: Form
    top: int | None = None
    share: float = 0.0

    @property
    def shards(self) -> int:
        """How many shards there are."""
        return -(-self.count // self.shard_size)

    def written(self, to: Path, number: int) -> Path:
        """Return the file of a shard's answers; it is whole, or not there."""
        return to / f"scores-{number:06}.{self.form}"

    def facts(self, to: Path, number: int) -> Path:
        """Return the file of what is summed up of a shard, written before its answers."""
        return to / FACTS / f"{number:06}.json"

    def missing(self, to: Path) -> Iterator[int]:
        """Yield the numbers of the shards that nobody has answered yet."""
        there = {path.name for path in to.glob(f"scores-*.{self.form}")}
        return (n for n in range(self.shards) if self.written(to, n).name not in there)

    def keep(self, to: Path) -> None:
        """Write the plan, or make sure that the one which is there is the same.

        Args:
            to: The folder of the answers.

        Raises:
            DataError: If the folder holds another job, or no job.
            OSError: If nothing can be written there.
        """
        if (to / PLAN).exists():
            self._compare(to)
        elif others := sorted(path.name for path in to.iterdir() if path.name != "lock"):
            raise DataError(
                f"`to`: '{printable(to)}' holds {listed(others, 3)}, and no '{PLAN}' of answers to "
                "go on with. Name a new folder."
            )
        else:
            write_whole(to / PLAN, self.model_dump_json(indent=1).encode())
        (to / FACTS).mkdir(exist_ok=True)

    def _compare(self, to: Path) -> None:
        try:
            kept = checked(Job, parse_json(read_regular(PLAN, inside=to)))
        except ValueError as error:
            raise DataError(
                f"'{printable(to / PLAN)}' cannot be used: {error}. Name a new folder."
            ) from error
        mine, theirs = self.model_dump(mode="json"), kept.model_dump(mode="json")
        other = [
            f"{name} {printable(theirs[name])}, now {printable(mine[name])}"
            for name in mine
            if mine[name] != theirs[name]
        ]
        if other:
            raise DataError(
                f"`to`: '{printable(to)}' was begun otherwise: {'; '.join(other)}. Go on with the "
                "same model, examples and options, or name a new folder."
            )


def answering(model: BundleFolder | str | Path, export: str | None) -> tuple[Path, str | None, str]:
    """Return what answers, so that it stays the same when versions are added.

    Args:
        model: A bundle, its folder, or a lone file.
        export: Which export; by default as `Predictor` chooses.

    Returns:
        The folder or file; the export, `None` for a lone file; and its digest.

    Raises:
        DataError: If the bundle has no verified export.
        ValueError: If it has no export of that name.
    """
    if isinstance(model, str | Path) and Path(model).is_file():
        return Path(model).absolute(), export, digest(Path(model))
    bundle = BundleFolder.load(model)
    record = chosen_export(bundle, export)
    return bundle.folder.absolute(), record.name, record.sha256
