"""One model out of several: the mean of their answers, in one file, with what it costs."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes.release.ensemble import _check_members


@pytest.fixture(scope="module")
def members(tiny, trained, tmp_path_factory):
    """Two bundles with different weights; not to be changed."""
    import keras

    other = keras.models.clone_model(trained)
    rng = np.random.default_rng(0)
    other.set_weights([one + rng.normal(0, 0.02, one.shape) for one in trained.get_weights()])
    root = tmp_path_factory.mktemp("members")
    return [tiny.write_bundle(root / name, m) for name, m in (("one", trained), ("two", other))]


def test_it_answers_with_the_mean_and_exports_as_one_file(members, tiny, tmp_path):
    found = kr.ensemble_bundles(members, tmp_path / "both", mirrored=True)
    photos = tiny.colour_photos(20, seed=4)[0]
    views = [photos.astype(np.float32), photos[:, :, ::-1].astype(np.float32)]
    said = [one.load_model().predict(v, verbose=0) for one in members for v in views]
    assert (found.members, found.views) == (2, 2)
    assert found.size_bytes == 2 * found.first_size_bytes and "mean of 2 models" in str(found)
    json.dumps(found.to_dict())
    bundle = kr.Bundle.load(found.bundle.folder)
    mine = bundle.load_model().predict(views[0], verbose=0)
    np.testing.assert_allclose(mine, np.mean(said, axis=0), atol=1e-5)
    assert "None can be chosen" in str(found)
    with pytest.raises(kr.DataError, match="the mean of models that were not chosen by the same"):
        kr.operate_bundle(bundle, [bundle.class_names[0]], min_recall=0.3)
    record = bundle.export("tflite", "int8")
    assert record.verification["passed"] and record.verification["photos"] == 60
    assert kr.Predictor(bundle).output == bundle.output


def test_its_golden_photos_are_those_that_no_member_learned_from(small_saved, tmp_path):
    for version in "12":
        shutil.copytree(small_saved.folder, tmp_path / "parts" / version)
    folders = [tmp_path / "parts" / version for version in "12"]
    found = kr.ensemble_bundles(folders, tmp_path / "both")
    bundle = found.bundle
    assert bundle.seen() == small_saved.seen() and not bundle.manifest.metrics
    before, after = small_saved.golden(), bundle.golden()
    assert before.files == after.files
    np.testing.assert_allclose(before.answers, after.answers, atol=1e-5)
    assert bundle.report().optimization[-1]["name"] == "ensemble"
    parents = [(one.model, one.sha256) for one in bundle.manifest.parents]
    assert parents == [("parts 1", small_saved.sha256), ("parts 2", small_saved.sha256)]
    assert not bundle.report().evaluations
    # Both were chosen by the same photos.
    assert "Choose one by kerasrecipes operate" in str(found)
    own, of_both = (
        kr.operate_bundle(one, ["stripe"], min_recall=0.3) for one in (folders[0], bundle)
    )
    assert of_both.point.threshold == pytest.approx(own.point.threshold, abs=1e-6)
    assert of_both.bundle.output.alarm.positives == own.bundle.output.alarm.positives > 0


def test_models_that_differ_are_refused(members, tiny, trained, tmp_path):
    from kerasrecipes.data.specs import OutputSpec

    named = OutputSpec(name="scores", task="classification", class_names=("a", "b", "c"))
    two = (members[0].output, OutputSpec(name="novelty", task="novelty", class_names=("a",)))
    more = replace(members[0], manifest=members[0].manifest.model_copy(update={"outputs": two}))
    with pytest.raises(kr.DataError, match="also answers with 'novelty', of which"):
        _check_members([more, members[1]], mirrored=False)
    other = tiny.write_bundle(tmp_path / "other", trained, named, lambda _, labels: labels)
    with pytest.raises(kr.DataError, match="do not answer the same"):
        kr.ensemble_bundles([members[0], other], tmp_path / "both")
    with pytest.raises(ValueError, match="two different models at least"):
        kr.ensemble_bundles([members[0], members[0]], tmp_path / "both")
    with pytest.raises(ValueError, match="two different models at least"):
        kr.ensemble_bundles(members[:1], tmp_path / "both")
    assert not (tmp_path / "both").exists()
