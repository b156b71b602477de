"""The model that is asked about new examples: a saved one, or a lone file on a small device."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from kerasrecipes.bundles.bundle import BundleFolder
from kerasrecipes.bundles.export_record import opened
from kerasrecipes.data.examples import Examples
from kerasrecipes.data.modality import Modality, get_modality
from kerasrecipes.data.specs import ModelInput, OutputSpec
from kerasrecipes.drift.observed import Runner, keras_runner
from kerasrecipes.errors import DataError, MissingDependencyError, printable
from kerasrecipes.export import LoadedModel, get_format
from kerasrecipes.export.checks import check_loaded
from kerasrecipes.export.tflite.runtime import TFLiteModel

_THREADS = 2
_EXPORT = "kerasrecipes export {} --format tflite --quantization float32 --signatures embed"


@dataclass(frozen=True)
class Asked:
    """A model, as a look at new examples needs it.

    Args:
        name: What to call it in messages.
        modality: The kind of data.
        input: What it takes.
        output: What it answers with.
        runner: Opens what is asked for features and answers: a file in LiteRT, or Keras.
        bundle: The bundle that it comes from; `None` for a lone file.
        seen: The split of every example that it met, by the SHA-256 of its file.
    """

    name: str
    modality: Modality
    input: ModelInput
    output: OutputSpec
    runner: Callable[[], Runner]
    bundle: BundleFolder | None = None
    seen: Mapping[str, str] = field(default_factory=dict)

    def scan(self, source: Examples | str | Path) -> Examples:
        """Return examples, to be prepared as in its training; see `BundleFolder.scan`."""
        if isinstance(source, Examples):
            return self.modality.prepared(source, self.input)
        return self.modality.scan(source, self.input)

    def decode(self, source: str | Path) -> np.ndarray:
        """Turn one example into what the model takes."""
        return self.modality.decode(source, self.input)


def asked(model: BundleFolder | str | Path) -> Asked:
    """Open a model for a look at new examples.

    Args:
        model: A bundle, its folder, or a `.tflite` file that gives features.

    Raises:
        DataError: If there is none, or the file gives no features.
        IntegrityError: If a file was changed.
    """
    if isinstance(model, str | Path) and Path(model).is_file():
        return _of_file(Path(model))
    bundle = BundleFolder.load(model)
    return Asked(
        str(bundle.folder),
        bundle.modality,
        bundle.input,
        bundle.output,
        partial(_runner_of, bundle),
        bundle,
        bundle.seen(),
    )


def _of_file(path: Path) -> Asked:
    chosen = get_format("tflite")
    contract = chosen.read_contract(path)
    file = chosen.load(path, threads=_THREADS)
    takes, output = check_loaded(file, contract, path.name), contract.output
    runner = _runner_of_file(file, output)
    if runner is None:
        raise DataError(
            f"'{printable(path)}' gives no features, which are compared. Export the model again: "
            + _EXPORT.format("FOLDER")
        )
    return Asked(str(path), get_modality(contract.modality), takes, output, lambda: runner)


def _runner_of_file(file: LoadedModel, output: OutputSpec) -> Runner | None:
    if not isinstance(file, TFLiteModel) or not file.embeds:
        return None
    return lambda inputs: (file.embed(inputs), file(inputs)[output.name])


def _runner_of(bundle: BundleFolder) -> Runner:
    """Ask a verified export that gives features; without one, the Keras model.

    Raises:
        MissingDependencyError: If there is no such file, and no Keras.
        IntegrityError: If the model was changed.
    """
    for record in bundle.exports().values():
        if record.format != "tflite" or not record.verification.get("passed"):
            continue
        with opened(record, bundle) as copy:
            file = get_format("tflite").load(copy.path, threads=_THREADS)
        runner = _runner_of_file(file, bundle.output)
        if runner is not None:
            return runner
    try:
        return keras_runner(bundle.load_model())
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"'{printable(bundle.folder)}' has no export that gives features, and without one "
            f"Keras is needed ({error}). Where it is installed, run: "
            + _EXPORT.format(printable(bundle.folder))
        ) from error
