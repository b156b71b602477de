"""Going on with a training as if it had never been stopped, to the last bit."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.callbacks.state.model_state import ModelState, RandomState, build_optimizers
from kerasrecipes.callbacks.state.state_folder import StateFolder
from kerasrecipes.errors import DataError, TrainingError, printable
from kerasrecipes.keras_private import averages_are_in, say_averages_are_in


@dataclass(frozen=True)
class Continuation:
    """Where a training goes on.

    Args:
        epoch: Number of epochs that are done; pass it to `fit` as `initial_epoch`.
        stopped: Whether a callback had ended the training there. A `fit` with `epochs=epoch`
            then trains no more, and does what a `fit` does at its end.
    """

    epoch: int = 0
    stopped: bool = False


@named
class ExactCheckpoint(keras.callbacks.Callback):
    """Write all that a training needs to go on, so that it ends bit for bit as without a break.

    That is the model's weights and BatchNormalization statistics, the optimizer with its
    moments, averages and count of steps, the random generators of its layers, of Keras, numpy
    and Python, and what other callbacks remember. `keras.callbacks.BackupAndRestore` leaves
    the random generators and the callbacks out. Files hold arrays and JSON, never code; a
    write that is cut off leaves the state before it.

    It must be the last in the list of callbacks. The data are yours: give the same batches
    from `initial_epoch` on, as `to_dataset(epochs=range(done, …))` does.

    Args:
        folder: Where to write; a folder for this training alone.
        every: Epochs between writes; `None` for as few as let writing take a tenth of the time
            at most. The last epoch is always written.
        stateful: The other callbacks that remember something: each has `get_state` and
            `set_state`, or is Keras's `SwapEMAWeights`.

    Raises:
        ValueError: If `every` is below 1 or one of `stateful` has no state, or, while training,
            if it goes on after its end or at another epoch than where it stood.
        TrainingError: While training, if a weight is not finite; the last state is kept.
        OSError: While training, if a state cannot be written; the last one is kept.

    Example:
        >>> checkpoint = ExactCheckpoint("runs/tiles/checkpoint", every=2)
        >>> checkpoint.summary()
        {'written': 0, 'restored_epoch': None}
    """

    def __init__(
        self,
        folder: str | Path,
        every: int | None = 1,
        stateful: Sequence[object] = (),
    ):
        super().__init__()
        if every is not None and every < 1:
            raise ValueError(f"`every` must be at least 1, or None, not {every}.")
        for one in stateful:
            if not has_state(one):
                raise ValueError(
                    f"`stateful` has a {type(one).__name__}, which has no `get_state` and "
                    "`set_state`, so that it cannot be resumed. Leave it out, or give it both."
                )
        self.every = every
        self.stateful = tuple(stateful)
        self._files = StateFolder(folder)
        self._restored: dict | None = None
        self._written, self._resumed_at = 0, None
        self._next_write = 0.0

    def restore(self, model: keras.Model) -> Continuation:
        """Put the last state into a model; `fit` then puts the rest back when it begins.

        Args:
            model: Built and compiled as when the state was written.

        Returns:
            Where to go on; epoch 0 if there is no state yet.

        Raises:
            IntegrityError: If there are states, and all are damaged.
            DataError: If the state is that of another model or of other callbacks.
        """
        found = self._files.read()
        if found is None:
            return Continuation()
        names = [one["name"] for one in found["stateful"]]
        if names != self._names():
            raise self._foreign(f"it holds the states of {names}, not of {self._names()}")
        self._put_into(model, found)
        self._restored = found
        return Continuation(found["epoch"], found["stopped"])

    def restored_state(self, one: object) -> Any:
        """Return what was restored of one of `stateful`, which it gets when `fit` begins.

        Args:
            one: One of `stateful`.

        Returns:
            What its `get_state` had returned; `None` if nothing was restored.
        """
        if self._restored is None:
            return None
        position = next(place for place, other in enumerate(self.stateful) if other is one)
        return self._restored["stateful"][position]["state"]

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._written, self._resumed_at, self._next_write = 0, None, 0.0
        build_optimizers(self.model)
        if self._restored is None:
            return
        # Once more: what `fit` and the other callbacks did on their way here must not count.
        self._put_into(self.model, self._restored)
        for one, saved in zip(self.stateful, self._restored["stateful"], strict=True):
            _set_state(one, saved["state"])
        RandomState.from_dict(self._restored["random"]).restore()
        self._resumed_at = self._restored["epoch"]

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        restored, self._restored = self._restored, None
        if restored is None:
            return
        if restored["stopped"]:
            raise ValueError(
                f"This training ended after epoch {restored['epoch']}, by one of its callbacks. "
                f"Pass `epochs={restored['epoch']}` to `fit`, which then trains no more."
            )
        if epoch != restored["epoch"]:
            raise ValueError(
                f"`fit` begins at epoch {epoch}, and the state that was restored is that after "
                f"{restored['epoch']} epochs. Pass `initial_epoch={restored['epoch']}`."
            )

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        last = self.model.stop_training or epoch + 1 == self.params.get("epochs")
        started = time.monotonic()
        due = started >= self._next_write if self.every is None else (epoch + 1) % self.every == 0
        if not due and not last:
            return
        state = ModelState(self.model)
        self._check_finite(epoch + 1)
        self._files.write(
            {
                "epoch": epoch + 1,
                "stopped": bool(self.model.stop_training),
                "variables": state.values,
                "random": RandomState().to_dict(),
                "stateful": [
                    {"name": name, "state": _get_state(one)}
                    for name, one in zip(self._names(), self.stateful, strict=True)
                ],
            }
        )
        self._written += 1
        now = time.monotonic()
        self._next_write = now + 9 * (now - started)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._restored = None

    def summary(self) -> dict:
        """Return what a report should say."""
        return {"written": self._written, "restored_epoch": self._resumed_at}

    def _names(self) -> list[str]:
        return [type(one).__name__ for one in self.stateful]

    def _put_into(self, model: keras.Model, found: dict) -> None:
        build_optimizers(model)
        state = ModelState(model)
        try:
            state.replace(found["variables"])
        except ValueError as error:
            raise self._foreign(f"it is of another model or optimizer: {error}") from error
        state.restore()

    def _foreign(self, why: str) -> DataError:
        return DataError(
            f"'{printable(self._files.path)}' is not a state of this training: {why}. Build and "
            "compile as before, or name another folder."
        )

    def _check_finite(self, epoch: int) -> None:
        for weight in self.model.trainable_variables:
            if not np.isfinite(keras.ops.convert_to_numpy(weight).astype("float64")).all():
                raise TrainingError(
                    f"{weight.path} is not finite after epoch {epoch}, so that state was not "
                    "written; the one before is kept. Lower the learning rate."
                )


def has_state(one: object) -> bool:
    """Tell whether a callback, or anything else, can be resumed."""
    averages = isinstance(one, keras.callbacks.SwapEMAWeights)
    return averages or (hasattr(one, "get_state") and hasattr(one, "set_state"))


def _get_state(one: Any) -> dict:
    if isinstance(one, keras.callbacks.SwapEMAWeights):
        # Whether the averages are in the model, and its own weights in the optimizer.
        return {"swapped": averages_are_in(one)}
    return one.get_state()


def _set_state(one: Any, state: dict) -> None:
    if isinstance(one, keras.callbacks.SwapEMAWeights):
        say_averages_are_in(one, state["swapped"])
    else:
        one.set_state(state)
