"""What every head promises, whatever its task."""

import inspect
import json
from dataclasses import asdict

import keras
import numpy as np
import pytest

from kerasrecipes.heads import get_head, list_heads, make_head


def test_catalogue_is_walked():
    assert len(list_heads()) >= 3


@pytest.mark.parametrize("name", list_heads())
def test_head_builds_trains_and_repeats(name):
    head = get_head(name)()
    assert head.name == name and inspect.getdoc(type(head))
    assert json.loads(json.dumps(asdict(head))) == asdict(head)

    def build():
        features = keras.Input((4, 4, 6))
        return keras.Model(features, head.build(features, width=3, seed=5))

    model, again = build(), build()
    assert model.get_layer("logits").output.shape == (None, 3)
    assert not any(layer.name.startswith("_") for layer in model.layers)
    features = np.random.default_rng(0).normal(size=(7, 4, 4, 6)).astype(np.float32)
    scores = model.predict_on_batch(features)
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(scores, again.predict_on_batch(features))
    training = keras.Model(model.input, model.get_layer(head.trains).output)
    training.compile("adam", head.loss(class_counts=[3, 2, 2]), metrics=head.metrics())
    logs = training.train_on_batch(features, np.eye(3)[[0, 1, 2, 0, 1, 2, 0]], return_dict=True)
    assert np.isfinite(logs["loss"]) and any("accuracy" in name for name in logs)


def test_unknown_head():
    with pytest.raises(ValueError, match="Unknown head 'clasify'"):
        get_head("clasify")


@pytest.mark.parametrize("name", list_heads())
def test_head_is_as_asked_for_or_an_error(name):
    assert make_head(name, dropout=0.5) == get_head(name)(dropout=0.5)
    with pytest.raises(ValueError, match=f"'{name}' has no option 'drop_out'. Did you mean 'dro"):
        make_head(name, drop_out=0.5)
    with pytest.raises(ValueError, match="Unknown loss 'nonsense'"):
        make_head(name, loss_name="nonsense")
    with pytest.raises(ValueError, match="no option 'nonsense'"):
        make_head(name, loss_options={"nonsense": 1})
