"""What a recipe does with defects that are drawn: learns from them, and from nothing else anew."""

import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes.training import fitting

DOTS = kr.SyntheticDefects({"dot": "blob"}, share=0.25, good="plain")


@pytest.fixture
def recipe(tiny_spec):
    def make(kind=kr.ImageClassifier, **changes):
        settings = {
            "image_size": (48, 48),
            "schedule": kr.UnfreezeSchedule.head_only(epochs=2),
            "synthetic_defects": DOTS,
            "views": 2,
        }
        return kind(tiny_spec(), **{**settings, **changes})

    return make


class Taught(Exception):
    pass


def test_it_is_learned_from_and_never_measured_by(part_sets, recipe, monkeypatch):
    train, val, _ = part_sets

    def recorded(head, asked, sides):
        raise Taught(sides, lesson_of(head, asked, sides))

    lesson_of = fitting.lesson_of
    monkeypatch.setattr(fitting, "lesson_of", recorded)
    monkeypatch.setattr(fitting, "rehearse", lambda model, name: None)  # which takes long
    few = train.select([i for i, one in enumerate(train.photos) if one.label != "dot" or i % 4])
    made = recipe(class_weights="balanced", loss="balanced_softmax")
    with pytest.raises(Taught) as told:
        made.fit(few, val, verbose=False)
    (practised, chosen), lesson = told.value.args
    drawn = practised.examples.photos[len(few) :]
    assert len(drawn) == round(len(few) / 3) and {one.label for one in drawn} == {"dot"}
    assert chosen.examples == val and not any(one.synthetic for one in val.photos)
    # Labels, weights and the shares that the loss reads are those of what is trained on.
    dot = few.class_names.index("dot")
    assert lesson.targets[0][len(few) :].argmax(axis=1).tolist() == [dot] * len(drawn)
    counts = np.array(list(practised.examples.counts().values()))
    weights = [lesson.weights[practised.examples.labels == k][0] for k in range(len(counts))]
    np.testing.assert_allclose(np.array(weights) * counts, weights[0] * counts[0], rtol=1e-5)


def test_a_saved_recipe_keeps_it_and_tells_of_the_photos_that_there_are(
    part_sets, recipe, tmp_path
):
    made = recipe()
    made.fit(*part_sets[:2], verbose=False)
    assert made.report_.data.counts["train"] == part_sets[0].counts()
    loaded = kr.load_recipe(made.save(tmp_path / "parts").folder)
    assert loaded.synthetic_defects == DOTS
    np.testing.assert_array_equal(loaded.predict(part_sets[2]), made.predict(part_sets[2]))


def test_a_detector_knows_its_good_class(part_sets, recipe):
    synthetic = kr.SyntheticDefects({"dot": "blob"})
    detector = recipe(kr.DefectDetector, synthetic_defects=synthetic, good="plain")
    assert len(detector.practised(part_sets[0])) > len(part_sets[0])
    good = part_sets[0].select(i for i, p in enumerate(part_sets[0].photos) if p.label == "plain")
    alone = kr.PhotoSet(good.photos, ("plain",), good.root)
    with pytest.raises(
        ValueError, match="`synthetic_defects` would have no effect: of good photos"
    ):
        recipe(kr.DefectDetector, false_alarms=0.3, good="plain").fit(alone, alone, verbose=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"synthetic_defects": {"share": 0.2}}, "must be a SyntheticDefects or None"),
        ({"sampling": "class"}, "does not go with `sampling`"),
        ({"start": "probe", "schedule": None}, "goes with none of .*`synthetic_defects`"),
        ({"synthetic_defects": kr.SyntheticDefects({"dt": "blob"}, good="plain")}, "mean 'dot'"),
    ],
)
def test_what_does_not_go_with_it(part_sets, recipe, changes, message):
    with pytest.raises(ValueError, match=message):
        recipe(**changes).fit(*part_sets[:2], verbose=False)
