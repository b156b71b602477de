"""How far from all classes: found in numbers, the same in a graph, and told by files."""

import keras
import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes import DataError, TextClassifier, UnfreezeSchedule
from kerasrecipes.novelty.scope import OutOfScope
from kerasrecipes.verify import Verification
from tiny_bert import TOPICS, draw_texts, tiny_bert, write_table


def drawn(count, seed, centres):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, len(centres), count)
    return (centres[labels] + rng.normal(0, 0.2, (count, centres.shape[1]))), labels


def test_what_is_of_no_class_is_farther():
    centres = np.random.default_rng(0).normal(0, 1, (6, 12))
    features, labels = drawn(300, 1, centres[:5])
    held_out, _ = drawn(200, 2, centres[:5])
    found = OutOfScope.of(features, labels).standardised(held_out)
    known = found.distances(held_out)
    assert known.mean() == pytest.approx(0, abs=1e-3) and known.std() == pytest.approx(1, abs=1e-3)
    near, _ = drawn(100, 3, centres[5:])
    far = np.random.default_rng(4).normal(0, 5, (100, 12))
    for other in (near, far):
        assert (found.distances(other) > np.quantile(known, 0.95)).mean() > 0.9
    # The length of features says nothing.
    np.testing.assert_allclose(found.distances(3 * near), found.distances(near), rtol=1e-5)
    taken = keras.Input((12,))
    graph = keras.Model(taken, found.attach(taken))
    answers = graph.predict_on_batch(np.concatenate([held_out, near]).astype("float32"))
    expected = found.distances(np.concatenate([held_out, near]))
    np.testing.assert_allclose(answers[:, 0], expected, atol=1e-3)


def test_few_classes_with_many_features_are_enough():
    """Between two classes lies one line; off it, what is far from both is no nearer to all."""
    rng = np.random.default_rng(0)
    spread = np.linspace(1, 0.05, 64)
    centres = rng.normal(0, 2, (2, 64)) * spread
    features = centres[np.arange(80) % 2] + rng.normal(0, 0.5, (80, 64)) * spread
    found = OutOfScope.of(features[:60], np.arange(60) % 2)
    other = rng.normal(0, 1, (40, 64)) * spread
    assert found.distances(other).min() > found.distances(features[60:]).max()


def test_too_few_to_learn_from_are_refused():
    for labels in (np.zeros(19, int), np.arange(30)):
        with pytest.raises(DataError, match="What is out of scope cannot be learned from"):
            OutOfScope.of(np.ones((len(labels), 4)), labels)


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Texts of two of the three topics."""
    known = [row for row in draw_texts(240) if row[0] != "phone"]
    path = write_table(tmp_path_factory.mktemp("scope") / "known.jsonl", known)
    return kr.split_texts(kr.scan_texts(path), near=False)


@pytest.fixture(scope="module")
def fitted(sets):
    """A classifier of them, that sets texts aside."""
    recipe = TextClassifier(
        tiny_bert(), schedule=UnfreezeSchedule.head_only(6, 0.03), out_of_scope=0.1
    )
    recipe.fit(*sets[:2], verbose=False)
    told = str(recipe.evaluate(sets[2]))
    assert f" of {len(sets[2])} texts are set aside as out of scope: " in told
    return recipe


@pytest.mark.proof  # that a file tells it is shown with pairs of texts, too
def test_it_is_saved_exported_and_said(fitted, sets, tmp_path):
    recipe, (_, val, test) = fitted, sets
    (output,) = recipe.fitted_.others
    assert output.task == "novelty"
    assert "at most 10.0% of texts in scope" in recipe.report_.choices[-1]
    bundle = recipe.save(tmp_path / "model")
    record = bundle.export()
    assert Verification.from_dict(record.verification).passed
    lone = kr.Predictor(record.path)
    known = lone.predict([one.text for one in test.texts])
    aside = np.mean([one.is_new for one in known])
    assert aside <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / len(test)) and all(one.label for one in known)
    others = [text for topic, text in draw_texts(240) if topic == "phone"]
    new = lone.predict(others)
    assert np.mean([one.is_new for one in new]) > max(0.5, 3 * aside)
    assert "NEW" in next(one for one in new if one.is_new).said
    loaded = kr.load_recipe(bundle.folder)
    np.testing.assert_allclose(loaded.predict(test), recipe.predict(test), atol=1e-6)
    assert loaded.fitted_.others == recipe.fitted_.others and loaded.out_of_scope == 0.1
    # At most so many validation texts are set aside as were promised.
    told = lone.predict([one.text for one in val.texts])
    assert sum(one.is_new for one in told) <= 0.1 * (len(val) + 1) + 1
    operated = kr.operate_bundle(bundle, abstain=0.1).bundle
    assert operated.manifest.outputs[1:] == (output,)
    assert set(TOPICS) > set(recipe.labels_)


def test_a_share_that_cannot_be_kept_is_refused_before_training(sets):
    train, val, _ = sets
    few = val.select(range(9))
    with pytest.raises(DataError, match="`out_of_scope=0.05` cannot be kept with 9 validation"):
        TextClassifier(tiny_bert(), out_of_scope=0.05).fit(train, few)
    with pytest.raises(DataError, match="What is out of scope cannot be learned from 12 examples"):
        TextClassifier(tiny_bert(), out_of_scope=0.1).fit(train.select(range(12)), val)
    with pytest.raises(ValueError, match="`out_of_scope` needs head='classification'"):
        TextClassifier(tiny_bert(), out_of_scope=0.1, head="multi_label").fit(train, val)
    with pytest.raises(ValueError, match="`out_of_scope` must be between 0.001 and 0.5"):
        TextClassifier(tiny_bert(), out_of_scope=0.9).fit(train, val)
