"""Training on several devices at once, each with its share of every batch."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from kerasrecipes.engine.devices.workers import (
    WORKERS,
    meet_workers,
    told_of_lost_workers,
    worker_place,
)
from kerasrecipes.keras_private import take_gradients_as_they_are

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from kerasrecipes.engine.run_folder import RunFolder
    from kerasrecipes.engine.wanted import Settings


def check_devices(devices: Any) -> None:
    """Judge a wish for devices without tensorflow.

    Args:
        devices: The recipe's `devices`.

    Raises:
        ValueError: If it is no wish for devices, or for fewer than two.
    """
    if devices is None:
        return
    named = isinstance(devices, list | tuple) and all(isinstance(one, str) for one in devices)
    number = isinstance(devices, int) and not isinstance(devices, bool)
    if not (devices in {"auto", WORKERS} if isinstance(devices, str) else named or number):
        raise ValueError(
            "`devices` must be None, 'auto', 'workers', a number of GPUs, or a list such as "
            f"['GPU:0', 'GPU:1'], not {devices!r}."
        )
    if devices == WORKERS:
        worker_place()
    asked = len(set(devices)) if named else devices if number else 2
    if asked < 2:
        raise ValueError(
            f"`devices={devices!r}` asks for fewer than 2 devices to share the work. Pass None."
        )


def check_run_folder(recipe: "Settings", run: "RunFolder | None") -> None:
    """Judge a run folder together with a wish for devices.

    Args:
        recipe: An `ImageClassifier`.
        run: A `RunFolder`, or `None`.

    Raises:
        ValueError: If several processes would write in one folder.
    """
    if run is not None and recipe.devices == WORKERS:
        raise ValueError(
            "`run_folder` does not work together with `devices='workers'`: after a break, the "
            "workers would not all go on from the same epoch. Leave it out."
        )


@dataclass(frozen=True)
class Devices:
    """The devices of one fit; one, unless there is a strategy.

    Args:
        strategy: A `tf.distribute.Strategy`, or `None`.
        worker: Which of the processes this is, where each has a device of its own.
    """

    strategy: Any = None
    worker: int | None = None

    @classmethod
    def find(cls, devices: str | int | Sequence[str] | None) -> "Devices":
        """Find the devices that a recipe asks for.

        Args:
            devices: The recipe's `devices`.

        Raises:
            ValueError: If there are not so many, or Keras does not run on tensorflow, or
                tensorflow has computed something before it finds other workers.
        """
        if devices is None:
            return cls()
        import keras
        import tensorflow as tf

        if keras.backend.backend() != "tensorflow":
            raise ValueError(
                f"`devices` works under TensorFlow only, and Keras runs on "
                f"{keras.backend.backend()} here. Set KERAS_BACKEND=tensorflow, or pass None."
            )
        if devices == WORKERS:
            return cls(meet_workers(), worker_place()[0])
        here = [one.name.removeprefix("/device:") for one in tf.config.list_logical_devices()]
        gpus = [name for name in here if name.startswith("GPU")]
        if devices == "auto":
            return cls(_mirrored(*gpus)) if len(gpus) > 1 else cls()
        if isinstance(devices, int) and devices > len(gpus):
            raise ValueError(f"`devices={devices}` asks for more GPUs than there are: {len(gpus)}.")
        wanted = gpus[:devices] if isinstance(devices, int) else list(devices)
        if missing := [name for name in wanted if name not in here]:
            raise ValueError(f"`devices` names {missing}, which are not here. Found: {here}.")
        return cls(_mirrored(*wanted))

    @property
    def count(self) -> int:
        """How many share the work."""
        return 1 if self.strategy is None else self.strategy.num_replicas_in_sync

    @property
    def mirrored(self) -> bool:
        """Whether this process has several, each with variables of its own."""
        return self.strategy is not None and self.worker is None

    def scope(self) -> AbstractContextManager:
        """Return the context to make variables, optimizers and models in, and to fit in."""
        if self.mirrored:
            return self.strategy.scope()
        return nullcontext() if self.strategy is None else told_of_lost_workers()

    def distributed(self, make: Callable[[Callable], object]) -> Any:
        """Return a dataset of whole batches, or one that gives each device its share.

        tf.distribute would cut and shard on its own terms; here the order of photos stays ours.

        Args:
            make: Makes the dataset, given a function that cuts the elements of one, photos or
                indices, into shares.
        """
        if self.strategy is None:
            return make(lambda dataset: dataset)
        if self.worker is not None:
            own = range(self.worker, self.worker + 1)
            return make(lambda dataset: _cut(dataset, own, self.count))

        def shares_of(context: Any) -> Any:
            here = self.count // context.num_input_pipelines
            first = context.input_pipeline_id * here
            return make(lambda dataset: _cut(dataset, range(first, first + here), self.count))

        return self.strategy.distribute_datasets_from_function(shares_of)

    def prepare(self, optimizer: "keras.optimizers.Optimizer") -> "keras.optimizers.Optimizer":
        """Make an optimizer take gradients as they are, since the step has added them up.

        Keras would add them up after clipping each device's share on its own, and would scale
        the loss by what overflows on the first device alone.

        Args:
            optimizer: The optimizer of a stage, built; it is changed, and returned.
        """
        if self.mirrored:
            inner = getattr(optimizer, "inner_optimizer", optimizer)
            for part in getattr(inner, "optimizers", None) or [inner]:
                take_gradients_as_they_are(part)
        return optimizer

    def summed(self, values: list) -> list:
        """Add values up over all devices, in a step.

        Args:
            values: Tensors.
        """
        import tensorflow as tf

        def everywhere() -> Any:
            context = tf.distribute.get_replica_context()
            # Of a worker's one device, a context knows nothing, save in the first worker.
            all_here = context.devices if self.mirrored else self.strategy.extended.worker_devices
            # Where values are tells tf.distribute whose they are.
            with tf.device(tf.nest.flatten(all_here)[0]):
                own = [tf.identity(value) for value in values]
            return context.all_reduce("SUM", own)

        return everywhere() if self.mirrored else self.strategy.run(everywhere)

    def joined(self, parts: list) -> list:
        """Return the rows of all workers, in the order of the batch.

        Args:
            parts: Tensors with a row for each photo of this worker's share.
        """
        import tensorflow as tf

        own = tf.shape(parts[0])[0]
        count = tf.cast(self.summed([tf.cast(own, tf.float32)])[0], tf.int32)
        before = self.worker * count // self.count
        around = [before, count - before - own]
        return self.summed(
            [tf.pad(one, [around, *[[0, 0]] * (one.shape.rank - 1)]) for one in parts]
        )


@cache
def _mirrored(*names: str) -> Any:
    """Return the one strategy for some devices: in a second one, sums would begin to count anew,
    and tensorflow would take them for those of the first."""
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(names)


def _cut(dataset: "tf.data.Dataset", shares: range, of: int) -> Any:
    """Replace each batch by some of its `of` shares, which differ in size by one at most."""
    import tensorflow as tf

    def one_batch(*batch: Any) -> Any:
        count = tf.shape(batch[0], tf.int64)[0]

        def one_share(k: Any) -> Any:
            return tuple(rows[k * count // of : (k + 1) * count // of] for rows in batch)

        return tf.data.Dataset.range(shares.start, shares.stop).map(one_share)

    return dataset.flat_map(one_batch)
