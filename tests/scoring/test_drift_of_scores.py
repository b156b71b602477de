"""What scoring says of drift, from what its shards have measured."""

import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes.data.modality import get_modality
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.drift.observed import Observed
from kerasrecipes.drift.profile import PROFILE_FILE, ReferenceProfile
from kerasrecipes.scoring import result, scoring
from kerasrecipes.scoring.shard import Sampled, scorer_of
from kerasrecipes.serve.entry import JournalEntry

OUTPUT = OutputSpec(name="scores", task="classification", class_names=("a", "b"))


class Folder:
    """As much of a bundle as is asked for, with a profile of 300 examples."""

    def __init__(self, folder):
        rng = np.random.default_rng(0)
        answers = rng.dirichlet([2, 2], 300).astype(np.float32)
        seen = Observed({"light": rng.normal(0, 1, 300)}, rng.normal(size=(300, 4)), answers)
        seen = Observed(seen.inputs, seen.features, answers, answers.argmax(axis=1))
        ReferenceProfile.of(seen, OUTPUT, "photos").write(folder / PROFILE_FILE)
        self.folder, self.modality = folder, get_modality("photos")

    def read(self, name):
        return (self.folder / name).read_bytes()

    def seen(self):
        return {"known": "train"}


def sampled(count, light):
    rng = np.random.default_rng(1)
    answers = rng.dirichlet([2, 2], count).astype(np.float32)
    keys = ["known", *(f"{i}" for i in range(count - 1))]
    return [
        Sampled(name=f"{i}.png", entry=JournalEntry(
            request_id=key, inputs={"light": rng.normal(light)}, answer=tuple(map(float, answer)),
        ))
        for i, (key, answer) in enumerate(zip(keys, answers, strict=True))
    ]  # fmt: skip


@pytest.mark.parametrize(("light", "verdict"), [(0.0, "no change seen"), (1.5, "alarm")])
def test_it_is_a_look_at_what_was_measured(light, verdict, tmp_path):
    bundle, found = Folder(tmp_path), sampled(200, light)
    report = result._drift(bundle, [*found, *found])  # twice the same files
    assert report.verdict == verdict and report.examples == 199
    assert "1 were left out: the model has seen them." in report.notes
    assert any("gives no features" in note for note in report.notes)
    assert result._drift(bundle, found[::-1]).shifts == report.shifts


def test_a_fixed_sample_is_measured_wherever_its_shard_is(
    small_saved, draw_part, tiny, tmp_path, monkeypatch
):
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(60):
        (photos / f"{number}.png").write_bytes(tiny.png(draw_part("dot", 500 + number)))

    def run(job, to, shards, workers):
        for number, names in reversed(list(shards)):
            scorer_of(job).score(to, number, names)
            yield number

    monkeypatch.setitem(scoring.ENGINES, "local", run)
    monkeypatch.setattr(scoring, "MEASURED", 20)
    looked = []
    monkeypatch.setattr(result, "_drift", lambda bundle, some: looked.append(some))
    for size in (7, 60):
        kr.score(small_saved, photos, tmp_path / str(size), shard_size=size)
    assert looked[0] == looked[1] and 10 <= len(looked[0]) <= 30
    assert looked[0][0].entry.inputs["brightness"] > 0 and len(looked[0][0].entry.answer) == 3
