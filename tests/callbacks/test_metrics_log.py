import keras
import numpy as np
import pytest

from kerasrecipes import MetricsLog


def test_a_path_that_cannot_be_written_is_named_before_training(tmp_path):
    with pytest.raises(ValueError, match="`path` must be a file, and '.*' is a folder"):
        MetricsLog(tmp_path)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x, steps = np.ones((4, 1)), []
    count = keras.callbacks.LambdaCallback(on_train_batch_end=lambda step, logs: steps.append(step))
    with pytest.raises(ValueError, match="folder of `path`, '.*missing', does not exist"):
        model.fit(x, x, verbose=0, callbacks=[MetricsLog(tmp_path / "missing" / "m"), count])
    assert not steps
