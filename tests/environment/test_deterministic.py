"""`deterministic=True`: two processes end with the same bits."""

import numpy as np
import pytest

from kerasrecipes.environment import be_deterministic, check_backend


@pytest.mark.proof
def test_two_processes_end_with_the_same_bits(start_child, end_child, tmp_path):
    fits = {"fit": {"deterministic": True, "dropout": 0.3, "mix": "cutmix", "mix_alpha": 1.0}}
    folders = [tmp_path / name for name in ("one", "other")]
    for folder in folders:
        folder.mkdir()
    children = [start_child(folder, fits) for folder in folders]
    one, other = (
        end_child(child, folder)["fit"] for child, folder in zip(children, folders, strict=True)
    )
    np.testing.assert_array_equal(one[0], other[0])
    for a, b in zip(one[1], other[1], strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_a_backend_cannot_do_is_an_error(monkeypatch):
    monkeypatch.setattr("keras.backend.backend", lambda: "jax")
    check_backend()
    with pytest.raises(ValueError, match="`deterministic` would have no effect: JAX is determin"):
        be_deterministic()
    monkeypatch.setattr("keras.backend.backend", lambda: "torch")
    with pytest.raises(ValueError, match="on the Keras backends 'tensorflow' and 'jax', not on"):
        check_backend()
