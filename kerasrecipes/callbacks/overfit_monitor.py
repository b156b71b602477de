"""Saying when a model begins to learn its training photos by heart."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.callbacks.base import Resumable, numbers_in
from kerasrecipes.callbacks.monitored import MonitoredValue
from kerasrecipes.console import say


@named
class OverfitMonitor(Resumable, keras.callbacks.Callback):
    """Follow the gap between training and validation, and say once when overfitting begins.

    It begins at the best validation loss, once that has not been beaten for `patience`
    epochs while the training loss has gone on falling. With data and class names, the gap
    is also known for each class. The logged training values are means over an epoch in which
    the model was still learning, with dropout and augmentation: a gap below zero is usual.

    Args:
        patience: Epochs without a better validation loss before it is called overfitting; those
            without validation, as `validation_freq` makes them, do not count.
        class_names: Names of the classes, in the order of the model's outputs.
        validation_data: Arrays `(x, y)` for the accuracy of each class; `y` holds class
            indices or one-hot rows.
        training_data: Arrays `(x, y)`, perhaps a part of the training data, so that each
            class has a gap, too.
        per_class: The same in the fit of a recipe, which knows its classes and photos.

    Raises:
        ValueError: If only one of `class_names` and `validation_data` is given, or, while
            training, if there is no validation loss, or the classes are not the model's.

    Example:
        >>> OverfitMonitor().summary()["words"]
        'No epoch has ended yet.'
    """

    STATE = ("epochs", "classes", "started", "_numbers")

    def __init__(
        self,
        patience: int = 3,
        class_names: Sequence[str] | None = None,
        validation_data: tuple | None = None,
        training_data: tuple | None = None,
        per_class: bool = False,
    ):
        super().__init__()
        if patience < 1:
            raise ValueError(f"`patience` must be at least 1, not {patience}.")
        if (class_names is None) != (validation_data is None):
            raise ValueError("`class_names` and `validation_data` belong together: pass both.")
        if training_data is not None and class_names is None:
            raise ValueError("`training_data` has no effect without `class_names`: pass both.")
        if per_class and class_names is not None:
            raise ValueError("`class_names` has no effect with per_class=True. Leave one out.")
        self.patience = patience
        self.per_class = per_class
        self.class_names = class_names
        self.validation_data = validation_data
        self.training_data = training_data
        self.started: int | None = None
        self._forget()

    def follow_classes(self, class_names: Sequence[str], sides: Callable) -> None:
        """Take the classes and photos of a recipe's fit, if `per_class` asks for them.

        Args:
            class_names: Names of the classes, in the order of the model's outputs.
            sides: Returns `(x, y)` of the training and of the validation photos.
        """
        if self.per_class:
            self.class_names = class_names
            self.training_data, self.validation_data = sides()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self.per_class and self.class_names is None:
            raise ValueError(
                "`per_class` takes the photos of a recipe's fit. In a `model.fit` of your own, "
                "pass `class_names` and `validation_data`."
            )
        self._forget()
        self._value = MonitoredValue(self, "val_loss")

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._value.check_first_step(logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        values = numbers_in(logs)
        if not self._value.is_in(values):
            return
        if "loss" not in values:
            raise ValueError(
                "OverfitMonitor found no 'loss' in the logs to compare 'val_loss' with. Return one "
                "from the model's `train_step`: {'loss': …}."
            )
        self.epochs.append(values)
        self._numbers.append(epoch + 1)
        if self.class_names is not None:
            self.classes.append(self._class_gaps())
        best = self._best()
        if self.started is None and len(self.epochs) - 1 - best >= self.patience:
            if self.epochs[-1]["loss"] < self.epochs[best]["loss"]:
                self.started = self._numbers[best]
                say(self.summary()["words"])

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._value.end()

    def summary(self) -> dict:
        """Return the gaps of every epoch, when overfitting began, and what that means."""
        gaps = {
            name: [logs[f"val_{name}"] - logs[name] for logs in self.epochs]
            for name in (self.epochs[0] if self.epochs else ())
            if f"val_{name}" in self.epochs[0]
        }
        return {
            "started": self.started,
            "gaps": gaps,
            "classes": self.classes,
            "words": self._words(gaps),
        }

    def _forget(self) -> None:
        self.epochs: list[dict[str, float]] = []
        self.classes: list[dict[str, dict]] = []
        self.started = None
        self._numbers: list[int] = []

    def _best(self) -> int:
        losses = [logs["val_loss"] for logs in self.epochs]
        finite = [loss if np.isfinite(loss) else np.inf for loss in losses]
        return int(np.argmin(finite))

    def _words(self, gaps: dict[str, list[float]]) -> str:
        if not self.epochs:
            return "No epoch has ended yet."
        last, best = self.epochs[-1], self.epochs[self._best()]
        if self.started is None:
            words = (
                f"No overfitting in {self._numbers[-1]} epochs: the validation loss is "
                f"{last['val_loss']:.3g}, the training loss {last['loss']:.3g}."
            )
        else:
            first = self.epochs[self._numbers.index(self.started)]
            words = (
                f"Overfitting since epoch {self.started}: the training loss has fallen from "
                f"{first['loss']:.3g} to {last['loss']:.3g}, the validation loss has gone from "
                f"{best['val_loss']:.3g} to {last['val_loss']:.3g}. More photos, stronger "
                "augmentation, fewer open blocks or fewer epochs help."
            )
        if "accuracy" in gaps:
            words += (
                f" Accuracy: {last['accuracy']:.0%} in training, {last['val_accuracy']:.0%} in "
                "validation."
            )
        return words + self._class_words()

    def _class_words(self) -> str:
        gaps = {
            name: one["training"] - one["validation"]
            for name, one in (self.classes[-1] if self.classes else {}).items()
            if one["training"] is not None and one["validation"] is not None
        }
        if not gaps:
            return ""
        name = max(gaps, key=gaps.__getitem__)
        one = self.classes[-1][name]
        return (
            f" The widest gap is that of {name!r}: {one['training']:.0%} in training, "
            f"{one['validation']:.0%} in validation."
        )

    def _class_gaps(self) -> dict[str, dict]:
        validation = self._class_accuracy(self.validation_data)
        training = self._class_accuracy(self.training_data) if self.training_data else {}
        return {
            name: {"validation": right, "training": training.get(name)}
            for name, right in validation.items()
        }

    def _class_accuracy(self, data: Any) -> dict[str, float | None]:
        """Return the share of right answers for each class; `None` where it has no example."""
        x, y = data
        names = self.class_names or ()
        scores = self.model.predict(x, verbose=0)
        if not isinstance(scores, np.ndarray):
            raise ValueError(
                f"`class_names` needs a model with one output, not {len(scores)}. Leave it out."
            )
        y = np.asarray(y)
        if scores.ndim != 2 or scores.shape[1] != len(names):
            raise ValueError(
                f"`class_names` has {len(names)} names, but the model's scores have "
                f"the shape {scores.shape}. Name each class once."
            )
        labels = y.argmax(axis=1) if y.ndim == 2 and y.shape[1] > 1 else y.reshape(-1)
        right = scores.argmax(axis=1) == labels
        return {
            name: float(right[labels == k].mean()) if (labels == k).any() else None
            for k, name in enumerate(names)
        }
