"""One shard: the work that every engine gives to its workers, and what is kept of it."""

import io
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from kerasrecipes.bundles.bundle import BundleFolder
from kerasrecipes.data.tables.inside import reader_inside
from kerasrecipes.drift.observed import Observed
from kerasrecipes.drift.profile import PROFILE_FILE, ReferenceProfile
from kerasrecipes.errors import DataError, IntegrityError, printable
from kerasrecipes.export.tflite.runtime import TFLiteModel
from kerasrecipes.files import digest, write_whole
from kerasrecipes.scoring.job import Form, Job, answering
from kerasrecipes.serve.entry import JournalEntry
from kerasrecipes.serve.predictor import Prediction, Predictor
from kerasrecipes.serve.rows import parquet_of, write_csv


class Sampled(BaseModel):
    """One example that was measured for drift.

    Args:
        name: What it is called.
        entry: What was measured; its id is the SHA-256 of its file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    entry: JournalEntry


class ShardFacts(BaseModel):
    """What is summed up of a shard.

    Args:
        rows: How many examples it has.
        answers_sha256: SHA-256 of the file of its answers.
        failed: How many of them could not be used.
        labels: How often each label was answered.
        alarms: How many answers raised an alarm.
        new: How many examples are unlike all that the model knows.
        abstained: How many answers were left to a person.
        sampled: What was measured of some of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int
    answers_sha256: str
    failed: int = 0
    labels: dict[str, int] = {}
    alarms: int = 0
    new: int = 0
    abstained: int = 0
    sampled: tuple[Sampled, ...] = ()

    @classmethod
    def of(
        cls, found: Sequence[Prediction], content: bytes, sampled: Sequence[Sampled]
    ) -> "ShardFacts":
        """Sum up answers.

        Args:
            found: The answers.
            content: The file of them.
            sampled: What was measured of some.
        """
        labels = Counter(
            name
            for one in found
            for name in (one.labels if one.labels is not None else filter(None, [one.label]))
        )
        return cls(
            rows=len(found),
            answers_sha256=sha256(content).hexdigest(),
            failed=sum(bool(one.error) for one in found),
            labels=dict(sorted(labels.items())),
            alarms=sum(bool(one.alarm) for one in found),
            new=sum(bool(one.is_new) for one in found),
            abstained=sum(bool(one.abstained) for one in found),
            sampled=tuple(sampled),
        )


class ShardScorer:
    """Answers shards of a job; with one thread, so that the numbers are the same on all workers.

    Args:
        job: The job.

    Raises:
        DataError: If the model cannot be used.
        IntegrityError: If it was changed since the job began.
    """

    def __init__(self, job: Job):
        if answering(job.model, job.export)[2] != job.digest:
            raise IntegrityError(
                f"'{printable(job.model)}' was exported anew since the job began. Name a new "
                "folder for its answers."
            )
        lone = Path(job.model).is_file()
        self._job = job
        self._predictor = Predictor(job.model, threads=1, export=None if lone else job.export)
        self._profile = None
        if job.share:
            bundle = BundleFolder.load(job.model)
            name = bundle.folder / PROFILE_FILE
            self._profile = ReferenceProfile.read(name, bundle.read(PROFILE_FILE))

    def score(
        self,
        to: Path,
        number: int,
        names: Sequence[str],
        skipped: Mapping[int, str] = {},
        at: Callable[[int], None] = lambda place: None,
    ) -> None:
        """Answer a shard, and write it: first what is summed up, then the answers.

        Args:
            to: The folder of the answers.
            number: The shard.
            names: Its examples.
            skipped: Places of those that are not looked at, and why.
            at: Called with the place of each before it is read.

        Raises:
            OSError: If nothing can be written there.
        """
        found, sampled = [], []
        for place, name in enumerate(names):
            at(place)
            if place in skipped:
                found.append(Prediction(name, error=skipped[place]))
                continue
            one, measured = self._one(name)
            found.append(one)
            sampled += [] if measured is None else [measured]
        content = self._content(found)
        facts = ShardFacts.of(found, content, sampled)
        write_whole(self._job.facts(to, number), facts.model_dump_json().encode())
        write_whole(self._job.written(to, number), content)

    def _one(self, name: str) -> tuple[Prediction, Sampled | None]:
        path, asked = Path(self._job.base, name), self._predictor
        try:
            one = asked.decode(path)
            answers = asked.model(one[None])
            sampled = self._sampled(name, path, one, answers[asked.output.name])
        except DataError as error:
            return Prediction(name, error=str(error)), None
        except OSError as error:  # it went away since it was read
            return Prediction(name, error=f"cannot be read: {error.strerror}"), None
        return asked.read(answers, name, self._job.top), sampled

    def _sampled(
        self, name: str, path: Path, one: np.ndarray, answer: np.ndarray
    ) -> Sampled | None:
        drawn = sha256(name.encode(errors="surrogateescape")).digest()[:8]
        usable = self._profile is not None and np.isfinite(answer).all()
        if self._profile is None or not usable:
            return None
        if int.from_bytes(drawn, "big") >= self._job.share * 2**64:
            return None
        inputs, model = self._predictor.measure(one), self._predictor.model
        features: tuple[float, ...] = ()
        if isinstance(model, TFLiteModel) and model.embeds:
            columns = {key: np.array([value]) for key, value in inputs.items()}
            seen = Observed(columns, model.embed(one[None]), answer)
            features = tuple(self._profile.sketched(seen).features[0].tolist())
        row = tuple(answer[0].tolist())
        entry = JournalEntry(request_id=_digest(path), inputs=inputs, features=features, answer=row)
        return Sampled(name=printable(name), entry=entry)

    def _content(self, found: Sequence[Prediction]) -> bytes:
        if self._job.form is Form.PARQUET:
            return parquet_of(self._predictor, found)
        if self._job.form is Form.CSV:
            file = io.StringIO(newline="")
            write_csv(self._predictor, found, file)
            return file.getvalue().encode()
        return "".join(json.dumps(one.to_dict()) + "\n" for one in found).encode()


def _digest(path: Path) -> str:
    inside = reader_inside(path)
    return digest(path) if inside is None else sha256(inside()).hexdigest()


@lru_cache(maxsize=1)
def scorer_of(job: Job) -> ShardScorer:
    """Return what answers a job's shards, opened once in this process."""
    return ShardScorer(job)
