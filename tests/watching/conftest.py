"""A bundle with a profile, and predictions of it, without any model."""

import numpy as np
import pytest

from kerasrecipes.data.specs import ModelInput, OutputSpec
from kerasrecipes.drift.observed import Observed
from kerasrecipes.drift.profile import PROFILE_FILE, ReferenceProfile
from kerasrecipes.serve.entry import JournalEntry
from kerasrecipes.serve.journal import Journal

NAMES = ("dot", "plain", "stripe")
OUTPUT = OutputSpec(name="scores", task="classification", class_names=NAMES)
DIRECTIONS = np.random.default_rng(9).normal(size=(3, 16))


def seen(count: int, seed: int, brightness: float = 0.5, wrong: float = 0.1) -> Observed:
    """What is measured of photos of three kinds, and what a model of some skill says of them."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, count)
    said = np.where(rng.random(count) < wrong, (truth + 1) % 3, truth)
    sure = rng.beta(18, 2, count)
    answers = np.full((count, 3), 0.0) + ((1 - sure) / 2)[:, None]
    answers[np.arange(count), said] = sure
    features = DIRECTIONS[truth] + rng.normal(0, 0.5, (count, 16))
    light = rng.normal(brightness, 0.1, count)
    return Observed({"brightness": light}, features, answers.astype(np.float32), truth)


@pytest.fixture(scope="session")
def watched(tmp_path_factory):
    """The bundle, not to be changed."""
    from kerasrecipes.bundles.bundle import BundleFolder

    profile = ReferenceProfile.of(seen(400, seed=1), OUTPUT, "photos")

    def fill(folder):
        profile.write(folder / PROFILE_FILE)
        takes = ModelInput(name="photo", shape=(8, 8, 3), dtype="uint8")
        return {
            "name": "parts", "created": "2026-01-01T00:00:00", "recipe_type": "test", "recipe": {},
            "modality": "photos", "input": takes, "outputs": [OUTPUT], "counts": {}, "excluded": 0,
            "golden_split": "test", "metrics": {}, "seeds": {}, "versions": {}, "weights": {},
        }  # fmt: skip

    return BundleFolder.write(tmp_path_factory.mktemp("watched") / "parts", fill)


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / "journal.db") as one:
        yield one


@pytest.fixture
def predict(watched, journal):
    """Writes predictions of the model into the journal, and returns the truths by id."""
    profile = ReferenceProfile.read(watched.folder / PROFILE_FILE)

    def write(
        count: int, seed: int, latency_ms: float = 5.0, error: str = "", degraded: str = "", **how
    ):
        found = profile.sketched(seen(count, seed, **how))
        entries = []
        for i in range(count):
            answer, light = found.answers[i].tolist(), float(found.inputs["brightness"][i])
            told = {"error": error} if error else {
                "label": NAMES[int(np.argmax(answer))], "confidence": max(answer),
                "answer": answer, "inputs": {"brightness": light},
                "features": found.features[i].tolist(),
            }  # fmt: skip
            one = JournalEntry(
                request_id=f"{seed}-{i}", bundle="parts", version=1, digest=watched.sha256,
                latency_ms=latency_ms, degraded=degraded, **told,
            )  # fmt: skip
            entries.append(one)
        journal.add(entries)
        truths = seen(count, seed, **how).targets
        return {one.request_id: NAMES[int(t)] for one, t in zip(entries, truths, strict=True)}

    return write
