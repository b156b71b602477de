import keras
import numpy as np
import pytest

from kerasrecipes.callbacks.overfit_monitor import OverfitMonitor


def run(monitor, losses, val_losses, accuracies=None):
    """Call the hooks as `fit` does, with known logs."""
    monitor.on_train_begin()
    for epoch, (loss, val_loss) in enumerate(zip(losses, val_losses, strict=True)):
        logs = {"loss": loss, "val_loss": val_loss}
        if accuracies:
            logs |= {"accuracy": accuracies[0], "val_accuracy": accuracies[1]}
        monitor.on_epoch_end(epoch, logs)
    return monitor.summary()


def test_overfitting_is_said_once_when_it_begins(capsys):
    monitor = OverfitMonitor(patience=2)
    found = run(monitor, [4, 3, 2, 1, 0.5], [5, 3.5, 4, 4.5, 6], (0.99, 0.71))
    assert found["started"] == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "Overfitting since epoch 2: the training loss has fallen from 3 to 1" in line
    assert "from 3.5 to 4.5" in line
    assert "99% in training, 71% in validation" in line
    assert found["gaps"]["loss"] == [1, 0.5, 2, 3.5, 5.5]
    assert found["gaps"]["accuracy"] == pytest.approx([-0.28] * 5)


def test_a_learning_or_a_stuck_model_does_not_overfit(capsys):
    monitor = OverfitMonitor(patience=2)
    assert run(monitor, [3, 2, 1], [4, 3, 2])["started"] is None
    assert run(monitor, [3, 3, 3, 3], [4, 4, 4, 4])["started"] is None
    assert run(monitor, [3, 4, 5, 6], [4, 5, 6, 7])["started"] is None
    assert "No overfitting in 4 epochs" in monitor.summary()["words"]
    assert capsys.readouterr().err == ""


def test_a_new_fit_begins_anew():
    monitor = OverfitMonitor(patience=1)
    assert run(monitor, [2, 1], [1, 2])["started"] == 1
    assert run(monitor, [2, 1], [2, 1])["started"] is None


def test_nan_is_never_the_best_epoch():
    monitor = OverfitMonitor(patience=1)
    assert run(monitor, [3, 2, 1], [float("nan"), 1, 2])["started"] == 2


def one_sided_model():
    """Always answers the first of two classes."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2, activation="softmax")])
    model.layers[0].bias.assign([5.0, 0.0])
    model.compile(keras.optimizers.SGD(0.0), "sparse_categorical_crossentropy")
    return model


@pytest.mark.parametrize("one_hot", [False, True])
def test_each_class_has_its_gap(one_hot):
    x = np.zeros((4, 1))
    training, validation = np.array([0, 0, 0, 0]), np.array([0, 0, 1, 1])
    convert = (lambda y: np.eye(2)[y]) if one_hot else (lambda y: y)
    monitor = OverfitMonitor(
        class_names=["fine", "crack"],
        validation_data=(x, convert(validation)),
        training_data=(x, convert(training)),
    )
    one_sided_model().fit(
        x, training, validation_data=(x, validation), verbose=0, callbacks=[monitor]
    )
    assert monitor.summary()["classes"] == [
        {
            "fine": {"validation": 1.0, "training": 1.0},
            "crack": {"validation": 0.0, "training": None},
        }
    ]
    assert "widest gap is that of 'fine'" in monitor.summary()["words"]


def test_wrong_use_is_named():
    x = np.zeros((4, 1))
    with pytest.raises(ValueError, match="no 'val_loss' in the logs. Pass `validation_data`"):
        one_sided_model().fit(x, x[:, 0], verbose=0, callbacks=[OverfitMonitor()])
    three = OverfitMonitor(class_names="abc", validation_data=(x, x))
    with pytest.raises(
        ValueError, match=r"3 names, but the model's scores have the shape \(4, 2\)"
    ):
        one_sided_model().fit(
            x, x[:, 0], validation_data=(x, x[:, 0]), verbose=0, callbacks=[three]
        )
    with pytest.raises(ValueError, match="`patience` must be at least 1"):
        OverfitMonitor(patience=0)
    with pytest.raises(ValueError, match="belong together"):
        OverfitMonitor(class_names=["a"])
    with pytest.raises(ValueError, match="`class_names` has no effect with per_class"):
        OverfitMonitor(class_names=["a"], validation_data=(x, x), per_class=True)
    with pytest.raises(ValueError, match="In a `model.fit` of your own, pass `class_names`"):
        one_sided_model().fit(x, x[:, 0], verbose=0, callbacks=[OverfitMonitor(per_class=True)])
    with pytest.raises(ValueError, match="`training_data` has no effect without"):
        OverfitMonitor(training_data=(x, x))
