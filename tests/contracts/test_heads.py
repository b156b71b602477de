"""What every head promises, whatever its task."""

import inspect
import json
from dataclasses import asdict

import keras
import numpy as np
import pytest

from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.evaluation.task import Task
from kerasrecipes.heads import get_head, get_task, list_heads, make_head

CLASSES = [0, 1, 2, 0, 1, 2, 0]
NAMES = ("a", "b", "c")
# What each task learns of seven examples, and what it is judged by.
LEARNS = {
    "classification": np.eye(3)[CLASSES],
    "multi_label": np.eye(3)[CLASSES] + np.eye(3)[CLASSES[::-1]] > 0,
    "ordinal": np.array(CLASSES)[:, None] > [0, 1],
    "regression": np.array(CLASSES)[:, None] - 1.0,
}
JUDGED = {
    "classification": np.array(CLASSES),
    "multi_label": LEARNS["multi_label"],
    "ordinal": np.array(CLASSES),
    "regression": np.array(CLASSES) - 1.0,
}
WIDTHS = {"regression": 1}


def test_catalogue_is_walked():
    assert len(list_heads()) >= 6
    assert {get_head(name).task.name for name in list_heads()} == set(LEARNS)


@pytest.mark.parametrize("name", list_heads())
def test_head_builds_trains_and_repeats(name):
    head = get_head(name)()
    assert head.name == name and inspect.getdoc(type(head))
    assert json.loads(json.dumps(asdict(head))) == asdict(head)

    def build():
        features = keras.Input((4, 4, 6))
        return keras.Model(features, head.build(features, width, seed=5))

    task = head.task.name
    learns, width = LEARNS[task].astype(np.float32), WIDTHS.get(task, 3)
    model, again = build(), build()
    assert model.get_layer(head.output_name).output is model.output
    assert model.output.shape == (None, width)
    assert not any(layer.name.startswith("_") for layer in model.layers)
    features = np.random.default_rng(0).normal(size=(7, 4, 4, 6)).astype(np.float32)
    scores = model.predict_on_batch(features)
    if head.task.target == "class":
        np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(scores, again.predict_on_batch(features))
    training = keras.Model(model.input, model.get_layer(head.trains).output)
    counts = [7] if task == "regression" else [3, 2, 2]
    training.compile("adam", head.loss(class_counts=counts), metrics=head.metrics())
    logs = training.train_on_batch(features, learns, return_dict=True)
    assert len(logs) > 1 and all(np.isfinite(value) for value in logs.values())


@pytest.mark.parametrize("name", list_heads())
def test_answers_are_judged_compared_and_read(name):
    head = get_head(name)
    task = head.task
    assert isinstance(task, Task) and get_task(task.name) is task
    named = NAMES if task.target != "number" else ()
    output = OutputSpec(name=head.output_name, task=task.name, class_names=named)
    targets, width = JUDGED[task.name], WIDTHS.get(task.name, 3)
    answers = np.random.default_rng(2).dirichlet(np.ones(3), 7)[:, :width].astype(np.float32)
    found = task.evaluate(targets, answers, output, latency_ms=[1.0, 2.0])
    assert found.n == 7 and task.name in json.dumps(found.to_dict())
    assert task.read(json.loads(json.dumps(found.to_dict()))).to_dict() == found.to_dict()
    assert found.headline.value == found.headline.value and str(found)
    quality = task.quality(targets, answers, output)
    assert quality.shape == (7,) and quality.dtype == np.float64
    assert task.shown(quality.mean()) >= 0 and task.in_words(quality.mean(), output)
    assert task.agree(answers, answers, output).all()
    broken = np.full_like(answers, np.nan)
    assert not task.agree(answers, broken, output).any()
    assert (task.quality(targets, broken, output) <= quality).all()
    said = task.decode(answers[0], output)
    assert sorted(said.scores.values()) == sorted(float(one) for one in answers[0] if named)


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
