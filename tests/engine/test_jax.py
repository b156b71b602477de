"""The same recipe on Keras's JAX backend."""

import os
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("jax")
JAX = {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}


def test_a_recipe_fits_on_jax(start_child, end_child, tmp_path):
    fits = {
        "plain": {"mix": "mixup", "clip_norm": 0.5, "accumulate": 2},
        "mixed": {"precision": "mixed_bfloat16"},
        # A step uses up the arrays that it is given, and so all that still points to them.
        "pulled": {"l2_sp": 1.0, "adaptive_clip": 0.5},
        "again": {"rematerialise": True},
    }
    on_jax = end_child(start_child(tmp_path, fits, save="model", **JAX), tmp_path)
    for losses, _ in on_jax.values():
        assert np.isfinite(losses).all()
        # Validation loss of the head's one epoch, then of the two that follow.
        assert losses[1] > losses[5] > losses[6]

    # What was trained there is exported here, and judged by the scores that it gave there.
    from kerasrecipes import Bundle

    code = f"from kerasrecipes import Bundle; Bundle.load({str(tmp_path / 'model')!r}).export()"
    environment = {**os.environ, **JAX}
    refused = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert "Run: KERAS_BACKEND=tensorflow kerasrecipes export" in refused.stderr
    assert Bundle.load(tmp_path / "model").export().verification["passed"] is True
