"""Writing what a training measures for the tools that people compare runs with."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import keras

from kerasrecipes.arguments import named
from kerasrecipes.callbacks.base import Resumable, numbers_in
from kerasrecipes.callbacks.learning_rates.rates import largest_rate
from kerasrecipes.errors import require
from kerasrecipes.files import told_plainly


class RunWriter(Resumable):
    """What writers have in common: epochs that are counted on over several fits.

    Keras counts the epochs of each fit from 0, so that the stages of one run would lie on top
    of each other in a picture; here a run is one curve. Use a new writer for another run.
    """

    STATE: ClassVar[tuple[str, ...]] = ("epochs",)
    model: keras.Model

    def __init__(self) -> None:
        super().__init__()
        self.epochs = 0

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Count and write an epoch; Keras calls it.

        Args:
            epoch: Number of the epoch in this fit, from 0.
            logs: What it measured.
        """
        self.epochs += 1
        self.write({**numbers_in(logs), **largest_rate(self.model)})

    def write(self, values: dict[str, float]) -> None:
        """Write what an epoch measured, `epochs` being its number; each writer does it its way.

        Args:
            values: Name → number.
        """
        raise NotImplementedError


@named
class TensorBoardWriter(RunWriter, keras.callbacks.Callback):
    """Write each epoch's logs and learning rate as TensorBoard scalars.

    TensorBoard itself is only needed to look at them: `tensorboard --logdir runs`.

    Args:
        log_dir: The folder, e.g. `"runs/tiles/tensorboard"`; made with the first epoch.

    Example:
        >>> TensorBoardWriter("runs/tiles/tensorboard").epochs
        0
    """

    def __init__(self, log_dir: str | Path):
        super().__init__()
        self.log_dir = Path(log_dir)
        self._writer: Any = None

    def write(self, values: dict[str, float]) -> None:
        """Write scalars, and force them to the disk.

        Args:
            values: Name → number.
        """
        import tensorflow as tf

        if self._writer is None:
            with told_plainly(self.log_dir):
                self._writer = tf.summary.create_file_writer(str(self.log_dir))
        # `tf.summary.scalar` would need the package tensorboard; this is what it writes.
        kind = tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars")
        metadata = tf.compat.v1.SummaryMetadata(plugin_data=kind)
        with told_plainly(self.log_dir):
            with self._writer.as_default(step=self.epochs):
                for name, value in values.items():
                    tf.summary.write(name, tf.constant(value, tf.float32), metadata=metadata)
            self._writer.flush()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


@named
class MlflowWriter(RunWriter, keras.callbacks.Callback):
    """Write each epoch's logs and learning rate as metrics of one MLflow run.

    The store is one sqlite file on this machine; look at it with
    `mlflow ui --backend-store-uri sqlite:///runs/mlflow.db`. Nothing goes over the network.

    Args:
        store: The sqlite file, e.g. `"runs/mlflow.db"`; several runs may share it.
        name: Name of the run.
        experiment: Name of the experiment it belongs to; made if it does not exist.
        parameters: What to show beside the metrics, e.g. a recipe's `get_config()`.

    Raises:
        MissingDependencyError: If mlflow is not installed.
    """

    STATE = ("epochs", "run_id")

    def __init__(
        self,
        store: str | Path,
        name: str = "run",
        experiment: str = "kerasrecipes",
        parameters: Mapping[str, object] | None = None,
    ):
        super().__init__()
        # It has to be said before the import.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        require("mlflow", "mlflow", "MlflowWriter")
        self.store = Path(store)
        self.name = name
        self.experiment = experiment
        self.parameters = dict(parameters or {})
        self.run_id: str | None = None
        self._client: Any = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._connect()

    def write(self, values: dict[str, float]) -> None:
        """Write metrics.

        Args:
            values: Name → number.
        """
        if self.run_id is None:
            with told_plainly(self.store):
                self._begin()
        with told_plainly(self.store):
            for name, value in values.items():
                self._client.log_metric(self.run_id, name, value, step=self.epochs)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self.run_id is not None:
            self._client.set_terminated(self.run_id)

    def _connect(self) -> None:
        from mlflow import MlflowClient

        if self._client is None:
            with told_plainly(self.store):
                self.store.parent.mkdir(parents=True, exist_ok=True)
            self._client = MlflowClient(tracking_uri=f"sqlite:///{self.store.resolve()}")

    def _begin(self) -> None:
        found = self._client.get_experiment_by_name(self.experiment)
        if found is None:
            artifacts = (self.store.resolve().parent / "mlflow_artifacts").as_uri()
            identity = self._client.create_experiment(self.experiment, artifacts)
        else:
            identity = found.experiment_id
        self.run_id = self._client.create_run(identity, run_name=self.name).info.run_id
        for name, value in self.parameters.items():
            self._client.log_param(self.run_id, name, value)
