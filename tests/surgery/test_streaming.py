"""Causal networks step by step: the same as the whole, and refused where later steps count."""

import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes.surgery.streaming.step_model import StepModel
from tiny_signals import draw_signal


def built(family, **changes):
    spec = kr.get_backbone(family, "signals")
    facts = {"channels": 2, "mean": (5.0, 0.0), "variance": (2.0, 1.0), "gaps": True, **changes}
    return kr.backbones.changed(spec, **facts).build()


@pytest.mark.parametrize("family", ["gru", "lstm", "tcn"])
def test_step_by_step_is_the_whole(family):
    model = built(family)
    stepping = StepModel(model)
    values = draw_signal("turn", 3, 40)[None]
    values[0, 4, 1] = values[0, 9] = np.nan
    state = stepping.initial()
    for at in range(values.shape[1]):
        (found,), state = stepping.step(values[:, at : at + 1], state)
        if at in {0, 20}:
            whole = model.predict_on_batch(values[:, : at + 1])
            np.testing.assert_allclose(found, whole, atol=1e-6)
    np.testing.assert_allclose(found, model.predict_on_batch(values), atol=1e-6)
    again, _ = stepping.step(values[:, :1], stepping.initial())
    np.testing.assert_allclose(again[0], model.predict_on_batch(values[:, :1]), atol=1e-6)


@pytest.mark.parametrize(
    "family, told",
    [
        ("bilstm", r"'body_both_ways' \(Bidirectional\) looks at later steps"),
        ("fcn", r"'body_conv\d' \(Conv1D\) looks at later steps"),
        ("conv_attention", r"\((MultiHeadAttention|Conv1D)\) looks at later steps"),
    ],
)
def test_what_looks_ahead_is_refused(family, told):
    with pytest.raises(ValueError, match=told):
        StepModel(built(family))
