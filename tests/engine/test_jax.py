"""The same recipe on Keras's JAX backend."""

import numpy as np
import pytest

pytest.importorskip("jax")
JAX = {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}


@pytest.mark.parametrize(
    "settings",
    [
        {"mix": "mixup", "clip_norm": 0.5, "accumulate": 2, "precision": "mixed_bfloat16"},
        # A step uses up the arrays that it is given, and so all that still points to them.
        pytest.param(
            {"l2_sp": 1.0, "adaptive_clip": 0.5, "rematerialise": True}, marks=pytest.mark.proof
        ),
    ],
    ids=["mixed", "pulled"],
)
def test_a_recipe_fits_on_jax(settings, start_child, end_child, tmp_path, monkeypatch):
    on_jax = end_child(start_child(tmp_path, {"one": settings}, save="model", **JAX), tmp_path)
    for losses, _ in on_jax.values():
        assert np.isfinite(losses).all()
        # Validation loss of the head's one epoch, then of the two that follow.
        assert losses[1] > losses[5] > losses[6]

    # What was trained there is exported here, and judged by the scores that it gave there.
    from kerasrecipes import Bundle

    with monkeypatch.context() as patch:
        patch.setattr("keras.backend.backend", lambda: "jax")
        with pytest.raises(ValueError, match="Run: KERAS_BACKEND=tensorflow kerasrecipes export"):
            Bundle.load(tmp_path / "model").export()
    assert Bundle.load(tmp_path / "model").export().verification["passed"] is True
