"""Several models from one training: the ends of learning-rate cycles, averaged."""

import math
import warnings
from typing import Any

import keras

from kerasrecipes.arguments import named
from kerasrecipes.callbacks.base import (
    Resumable,
    iterations_of,
    require_single_steps,
    require_used,
)
from kerasrecipes.callbacks.state.model_state import synchronise
from kerasrecipes.errors import NotFittedError


@named
class SnapshotEnsemble(Resumable, keras.callbacks.Callback):
    """Lower the learning rate along a cosine, again and again, and keep each cycle's end.

    The callback sets the rate of every step. `ensemble_model` averages the members' outputs;
    it is meant for evaluation, and for teaching one small model: on a device it costs as
    many times the size and the time of one model as it has members.

    Args:
        cycle_epochs: Epochs of a cycle, counted from the first that `fit` runs; only finished
            cycles give a member.
        peak: Learning rate at the beginning of each cycle; `None` for the optimizer's own.
        members: How many of the last cycles to keep; `None` for all. Each is a copy of the
            weights in memory.

    Raises:
        ValueError: If an argument is out of range, or, while training, if the optimizer has
            a schedule or is not used, no cycle would be finished, the steps of an epoch are not
            known, or the model takes several steps at once.

    Example:
        >>> SnapshotEnsemble(cycle_epochs=5).summary()["members"]
        0

    Reference:
        Huang et al., 2017, "Snapshot Ensembles: Train 1, get M for free", equation 2,
        arXiv 1704.00109.
    """

    STATE = ("weights", "_epochs_run", "_step", "_own_rate")

    def __init__(self, cycle_epochs: int, peak: float | None = None, members: int | None = None):
        super().__init__()
        for name, value in (("cycle_epochs", cycle_epochs), ("members", members)):
            if value is not None and value < 1:
                raise ValueError(f"`{name}` must be at least 1, not {value}.")
        if peak is not None and peak <= 0:
            raise ValueError(f"`peak` must be above 0, not {peak}.")
        self.cycle_epochs = cycle_epochs
        self.peak = peak
        self.members = members
        self.weights: list[list] = []

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        require_single_steps(self)
        self.weights = []
        self._epochs_run = 0
        if self.model.optimizer is None:
            raise ValueError(
                "SnapshotEnsemble sets the learning rate, and the model was compiled without an "
                "optimizer. Call `model.compile(optimizer, …)` with the one that its steps use."
            )
        rate = self.model.optimizer.learning_rate
        if not isinstance(rate, keras.Variable):
            raise ValueError(
                "SnapshotEnsemble sets the learning rate itself, and the optimizer has a schedule. "
                "Compile with a plain rate, e.g. keras.optimizers.SGD(0.1)."
            )
        if not self.params.get("steps"):
            raise ValueError("The number of steps is not known. Pass `steps_per_epoch` to `fit`.")
        self._iterations = iterations_of(self.model.optimizer)
        self._own_rate = float(keras.ops.convert_to_numpy(rate))
        self._steps = self.params["steps"] * self.cycle_epochs

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        # Only now it is known whether `fit` has left epochs out, by its `initial_epoch`.
        planned = self._epochs_run + self.params.get("epochs", math.inf) - epoch
        if planned < self.cycle_epochs:
            raise ValueError(
                f"No cycle of {self.cycle_epochs} epochs is finished in {planned}. Train longer, "
                "or pass fewer `cycle_epochs`."
            )
        if self._epochs_run % self.cycle_epochs == 0:
            self._step = 0

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        share = self._step / self._steps
        peak = self.peak or self._own_rate
        synchronise(self.model)
        self.model.optimizer.learning_rate = peak / 2 * (math.cos(math.pi * share) + 1)
        self._step += 1

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if not self._epochs_run:
            synchronise(self.model)
            require_used(self, self._iterations)
        self._epochs_run += 1
        if self._epochs_run % self.cycle_epochs == 0:
            self.weights = [*self.weights, self.model.get_weights()][-(self.members or 0) :]

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self.model.optimizer.learning_rate = self._own_rate
        if self._epochs_run and not self.weights:
            warnings.warn(
                f"Training ended after {self._epochs_run} epochs, before the end of the first "
                f"cycle of {self.cycle_epochs}: SnapshotEnsemble has no member.",
                stacklevel=2,
            )

    def ensemble_model(self) -> keras.Model:
        """Return one functional model whose outputs are the mean of the members'.

        Let the model end in probabilities: a mean of logits is not the logit of a mean.

        Raises:
            NotFittedError: If no cycle has been finished.
            ValueError: If the model is not functional with one output.
        """
        if not self.weights:
            raise NotFittedError("There are no members yet. Call `fit` with this callback first.")
        if len(getattr(self.model, "outputs", None) or ()) != 1:
            raise ValueError("An ensemble needs a functional model with one output.")
        # Like the model's own inputs, and in their structure.
        inputs = keras.tree.map_structure(
            lambda tensor: keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype),
            self.model.inputs[0] if len(self.model.inputs) == 1 else self.model.input,
        )
        outputs = []
        for number, weights in enumerate(self.weights, 1):
            member = keras.models.clone_model(self.model)
            member.name = f"member_{number}"
            member.set_weights(weights)
            # A model that was made from a list of one output returns a list.
            outputs += keras.tree.flatten(member(inputs))
        mean = keras.layers.Average(name="mean")(outputs) if len(outputs) > 1 else outputs[0]
        return keras.Model(inputs, mean, name="snapshot_ensemble")

    def summary(self) -> dict:
        """Return the number of members and what they cost on a device.

        `size_bytes` is that of all weights in float32; `latency_factor` is how many times
        the latency of one model the ensemble takes.
        """
        one = sum(weight.size for weight in self.weights[0]) if self.weights else 0
        count = len(self.weights)
        return {"members": count, "size_bytes": 4 * one * count, "latency_factor": count}
