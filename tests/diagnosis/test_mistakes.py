"""Wrong labels, copies that differ and sure mistakes are found among real files."""

import json

import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes.errors import DataError


def test_wrong_labels_and_copies_are_named(found, tiny):
    wrong = {one.index: one for one in found.of("label_error")}
    # A backbone that never learned anything misses one of the four at most.
    assert len({5, 17, 40, 89} & wrong.keys()) >= 3 and len(wrong) < 9
    assert wrong[17].suggestion == tiny.CLASS_NAMES[17 % 3] and 17 not in wrong[17].beside
    assert {one.index for one in found.of("conflicting_copy")} == {3, 89}
    assert found.name(5) == "5.png"


def test_the_model_s_mistakes_share_a_camera(found):
    sure = [one.index for one in found.of("confident_mistake")]
    assert {5, 17, 40, 89} <= set(sure) and found.judged == 90
    assert sum(len(one.rows) for one in found.clusters) >= 3
    traits = [trait.name for one in found.clusters for trait in one.traits]
    assert "camera: <b>bad" in traits


def test_findings_are_read_by_people_and_by_programs(found):
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert told["suspects"][0]["name"] and told["n"] == 90
    text = str(found)
    assert "Labels that are likely wrong" in text and "comparisons at once" in text
    assert "<b>bad" not in found._repr_html_() and "&lt;b&gt;bad" in found._repr_html_()


def test_photos_are_looked_at_before_any_training(wrong_photos, tiny_spec):
    before = kr.find_mistakes(wrong_photos, backbone=tiny_spec())
    assert before.judged == 0 and not before.clusters and "surest" not in str(before)
    assert len({5, 17, 40, 89} & {one.index for one in before.of("label_error")}) >= 3
    few = kr.scan_photos(wrong_photos).select([0, 1, 3])
    with pytest.raises(DataError, match="too few to learn"):
        kr.find_mistakes(few, backbone=tiny_spec())
    with pytest.raises(DataError, match="no photos to look at"):
        kr.find_mistakes(few.select([]), backbone=tiny_spec())


@pytest.mark.parametrize("kind", ["labels", "number"])
def test_other_tasks_are_looked_at_too(kind, tiny, tiny_spec):
    pixels, truth = tiny.colour_photos(60, seed=3)
    if kind == "number":
        answers = pixels.mean(axis=(1, 2, 3)) / 100
        answers[7] += 5
    else:
        answers = [[("blue", "green", "red")[k]] if k < 2 else [] for k in truth]
        answers[7] = ["blue", "green"]
    photos = kr.photos_from_arrays(pixels, answers)
    assert photos.target == kind
    found = kr.find_mistakes(photos, backbone=tiny_spec())
    assert found.of("label_error")[0].index == 7


def test_clusters_hold_what_they_say_and_constant_properties_are_passed_over():
    from kerasrecipes.evaluation.mistakes.clusters import cluster_mistakes

    rng = np.random.default_rng(0)
    points = rng.normal((1, 0, 0), 0.1, (400, 3))
    wrong = np.zeros(400, bool)
    wrong[:40] = True
    points[:20] += [-1, 2, 0]
    points[20:40] += [-1, 0, 2]
    light = rng.normal(100, 10, 400)
    light[:20] -= 40
    known = {"light": light, "same": [1] * 400, "name": [f"p{i}" for i in range(400)]}
    clusters, compared = cluster_mistakes(wrong, points, known)
    assert [sorted(one.rows) for one in clusters] == [[*range(20)], [*range(20, 40)]]
    assert compared == 2 and [len(one.traits) for one in clusters] == [1, 0]
    assert "light lower by" in str(clusters[0].traits[0])
    accused = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        noise = {name: rng.normal(size=200) for name in "abcdefgh"}
        clusters, _ = cluster_mistakes(rng.random(200) < 0.1, rng.normal(size=(200, 8)), noise)
        accused += any(one.traits for one in clusters)
    assert accused <= 7
    assert cluster_mistakes(np.zeros(9, bool), np.ones((9, 2)), {}) == ([], 0)


@pytest.mark.parametrize("target", ["class", "labels"])
def test_very_many_classes_are_judged_by_least_squares_and_that_is_said(
    target, tiny, tiny_spec, monkeypatch
):
    from sklearn.linear_model import LogisticRegression

    from kerasrecipes.diagnosis import mistakes, out_of_fold

    rng, count, classes = np.random.default_rng(0), 480, 24
    labels = np.arange(count) % classes
    rows = 0.5 * rng.normal(size=(classes, 60))[labels] + rng.normal(size=(count, 60))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    flipped = rng.permutation(count)[:24]
    noisy = labels.copy()
    noisy[flipped] = (labels[flipped] + 5) % classes
    names = [f"c{k:02}" for k in range(classes)]
    given = noisy if target == "class" else [[names[k]] for k in noisy]
    pixels = rng.integers(0, 255, (count, 16, 16, 3), dtype=np.uint8)
    photos = kr.photos_from_arrays(pixels, given, class_names=names if target == "class" else None)
    pooled = out_of_fold.Pooled("drawn", rows, rows)
    monkeypatch.setattr(mistakes, "pool_blocks", lambda backbone, examples: pooled)
    monkeypatch.setattr(out_of_fold, "MOST_CELLS", count * 60 * classes - 1)
    monkeypatch.setattr(LogisticRegression, "fit", lambda *rest, **more: pytest.fail("slow"))
    found = kr.find_mistakes(photos)
    suspects = {one.index for one in found.of("label_error")}
    hits = len(suspects & set(flipped.tolist()))
    assert 2 * hits >= max(len(flipped), len(suspects))  # by chance it were a twentieth
    assert any("least squares" in note for note in found.notes)
    answers = out_of_fold.out_of_fold(photos, rows)
    sure = answers.max(axis=1).mean(), (answers.argmax(axis=1) == noisy).mean()
    assert target == "labels" or abs(sure[0] - sure[1]) < 0.1
