"""SavedModel for TensorFlow Serving: photos or their files go in, float32 scores come out.

model.saved_model/                the base path for TensorFlow Serving
    1/                            a version of the model, that of the bundle
        saved_model.pb, variables/
        assets.extra/kerasrecipes.json    labels and decoding policy
        assets.extra/labels.txt           labels, one a line

Unlike the other formats, loading it needs tensorflow.
"""

import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.bundles.contract import Contract
from kerasrecipes.bundles.labels import LABELS_FILE, labels_text
from kerasrecipes.data.modality import get_modality
from kerasrecipes.environment import import_keras, silenced
from kerasrecipes.errors import DataError, VerificationError, listed, printable
from kerasrecipes.export.checks import (
    answers_of,
    check_answer,
    check_facts,
    check_model,
    check_quantization,
)
from kerasrecipes.export.format import ExportFormat, GraphFacts
from kerasrecipes.export.loaded import FileModel
from kerasrecipes.files import TemporaryFolder, sync_folder
from kerasrecipes.regular import read_regular

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

QUANTIZATIONS = ("float32",)
# The signature that takes files, behind the name of one of them.
_BYTES = "_bytes"
_DEFAULT = "serving_default"
_EXTRA = "assets.extra"
_CONTRACT_FILE = "kerasrecipes.json"
_KERNELS = {"Conv2D", "DepthwiseConv2dNative", "Conv2DBackpropInput", "MatMul"}
# They call back into the Python process that made them, and fail in any other.
_PYTHON_OPS = {"EagerPyFunc", "PyFunc", "PyFuncStateless"}


def write(
    model: "keras.Model",
    path: str | Path,
    *,
    contract: Contract,
    quantization: str = "float32",
    calibration: np.ndarray | None = None,
    version: int = 1,
) -> Path:
    """Write a model as a folder that TensorFlow Serving can serve.

    It has two signatures. `serving_default` takes e.g. `photos`, uint8 `(n, h, w, 3)`;
    `photo_bytes` takes the files of JPEGs and PNGs and decodes them as far as TensorFlow can,
    see `kerasrecipes.photos.decoding.in_graph`. Both give e.g. `scores`.

    Args:
        model: Maps a batch, e.g. `(n, h, w, 3)` with values 0…255, to answers `(n, width)`.
        path: The folder to write, which must not exist; it appears complete or not at all.
        contract: What it takes and answers, which is stored in the folder, and how files are
            decoded, which is built in.
        quantization: `"float32"`.
        calibration: Training photos, of which one tries out the model; none are needed.
        version: What TensorFlow Serving calls this version of the model, ≥ 1.

    Returns:
        `path`.

    Raises:
        ValueError: If `quantization` is unknown, `version` is not a positive whole number, or
            the model's shapes do not fit.
        DataError: If the names of the classes cannot be used, or `path` exists.
        VerificationError: If the model cannot be converted, lost its weights, needs Python to
            run, or answers with NaN.
    """
    path = Path(path)
    check_quantization(quantization, QUANTIZATIONS)
    if not isinstance(version, int) or version < 1:
        raise ValueError(f"`version` must be a whole number ≥ 1, received {version!r}.")
    contract = check_model(model, contract)
    if path.exists():
        raise DataError(f"'{printable(path)}' exists already. Name a new folder.")
    decode = get_modality(contract.modality).in_graph(contract.input)
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryFolder(path.parent) as outer:
        folder = outer / path.name / str(version)
        _convert(model, folder, contract, decode)
        _describe(folder / _EXTRA, contract)
        check_facts(inspect_folder(folder.parent), model, runtime="TensorFlow Serving")
        loaded = load(folder.parent)
        check_answer(loaded, contract, calibration)
        if decode is not None:
            _check_files(loaded, decode)
        sync_folder(folder.parent)
        folder.parent.rename(path)
    return path


def _convert(model: "keras.Model", folder: Path, contract: Contract, decode: Any) -> None:
    keras = import_keras()
    import tensorflow as tf

    takes, (one, several) = contract.input, get_modality(contract.modality).noun

    def answer(inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        return answers_of(model, inputs, contract)

    inputs = tf.TensorSpec((None, *takes.shape), takes.dtype, name=several)
    files = tf.TensorSpec((None,), tf.string, name=f"{one}{_BYTES}")
    try:
        with silenced(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            archive = keras.export.ExportArchive()
            archive.track(model)
            archive.add_endpoint(_DEFAULT, answer, [inputs])
            if decode is not None:
                archive.add_endpoint(files.name, lambda some: answer(decode(some)), [files])
            archive.write_out(str(folder), verbose=False)
    except Exception as error:  # tracing runs the layers' own code, which raises anything
        raise VerificationError(
            f"The model cannot be written as a SavedModel: {printable(error)[:300]} Replace the "
            "layer, or use another backbone."
        ) from error


def _describe(folder: Path, contract: Contract) -> None:
    folder.mkdir()
    (folder / _CONTRACT_FILE).write_text(contract.to_json() + "\n", encoding="utf-8")
    if names := contract.output.class_names:
        (folder / LABELS_FILE).write_text(labels_text(names), encoding="utf-8")


def _check_files(loaded: "SavedModel", decode: Any) -> None:
    """Make sure that a file gets the same answer as what it is decoded to."""
    files = decode.trials()
    expected = loaded(decode(_tensor(files)).numpy())
    found = loaded.answer_files(files)
    gap = max(float(np.abs(found[name] - expected[name]).max()) for name in expected)
    if not gap < 1e-3:
        raise VerificationError(
            f"The signature '{loaded.from_files}' answers differently by {gap:.2g} than the "
            "photo's pixels. Check that the model gives the same answer for the same photo."
        )


def load(path: str | Path, threads: None = None) -> "SavedModel":
    """Open a SavedModel in tensorflow.

    Args:
        path: The folder that holds the version. Check its digest first: TensorFlow runs what
            it finds there.
        threads: Must be left out: tensorflow has one pool of threads for the whole process.

    Returns:
        A callable on inputs, see `LoadedModel`.

    Raises:
        DataError: If the folder does not hold a readable model.
        ValueError: If `threads` is given.
    """
    if threads is not None:
        raise ValueError(
            f"`threads` has no effect on a SavedModel, received {threads!r}. Leave it out, or call "
            "tf.config.threading.set_intra_op_parallelism_threads before tensorflow is used."
        )
    return SavedModel(_version_folder(path))


class SavedModel(FileModel):
    """A SavedModel in tensorflow.

    Args:
        folder: The folder with `saved_model.pb`.
    """

    def __init__(self, folder: Path):
        import_keras()
        import tensorflow as tf

        try:
            with silenced():
                # The functions keep working only as long as the loaded object lives.
                self._loaded = tf.saved_model.load(str(folder))
            signatures = self._loaded.signatures
            self._run = signatures[_DEFAULT]
            self.from_files = next((name for name in signatures if name.endswith(_BYTES)), "")
            ((self._input, takes),) = self._run.structured_input_signature[1].items()
            gives = self._run.structured_outputs
            fits = len(takes.shape) > 1 and all(
                one.dtype == tf.float32 and len(one.shape) == 2 for one in gives.values()
            )
        except Exception as error:  # tensorflow raises many types on foreign folders
            reason = printable((str(error).splitlines() or [""])[0])
            raise DataError(
                f"TensorFlow cannot open '{printable(folder)}' as a model: {reason} "
                "Export the model with kerasrecipes."
            ) from error
        if not fits:
            raise DataError(
                f"'{printable(folder)}' is not a model as this package writes them: it "
                f"takes {takes} and gives {gives}. Export the model with kerasrecipes."
            )
        self.shape, self.dtype = tuple(takes.shape[1:]), takes.dtype.name
        self.outputs = {name: one.shape[-1] for name, one in gives.items()}

    def _answer(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        found = self._run(**{self._input: _tensor(inputs)})
        return {name: one.numpy() for name, one in found.items()}

    def answer_files(self, files: Sequence[bytes]) -> dict[str, np.ndarray]:
        """Answer files, e.g. JPEGs and PNGs, decoded in the graph.

        Args:
            files: The bytes of the files.

        Returns:
            The answers by name, float32 `(n, width)` each.

        Raises:
            DataError: If a file cannot be used.
        """
        import tensorflow as tf

        signature = self._loaded.signatures[self.from_files]
        try:
            found = signature(**{self.from_files: _tensor(list(files), tf.string)})
        except tf.errors.InvalidArgumentError as error:
            raise DataError(
                f"A photo cannot be used: {printable(error.message)[:300]}. Pass JPEG or PNG files."
            ) from error
        return {name: one.numpy() for name, one in found.items()}


def _tensor(values: object, dtype: "tf.DType | None" = None) -> "tf.Tensor":
    import tensorflow as tf

    return tf.constant(values, dtype)


def inspect_folder(path: str | Path) -> GraphFacts:
    """List what a SavedModel is made of, without running it.

    Args:
        path: The folder that holds the version.

    Returns:
        The operators and the bytes of the weights.

    Raises:
        DataError: If the folder holds no SavedModel.
    """
    import_keras()
    from tensorflow.core.protobuf import saved_model_pb2

    folder = _version_folder(path)
    try:
        content = read_regular(folder / "saved_model.pb")
        found = saved_model_pb2.SavedModel.FromString(content)
        graph = found.meta_graphs[0].graph_def
    except Exception as error:  # protobuf's exceptions differ between its implementations
        raise DataError(
            f"'{printable(folder)}' is not a SavedModel: {printable(error)}. Export the model "
            "again."
        ) from error
    nodes = [*graph.node, *(node for f in graph.library.function for node in f.node_def)]
    ops = Counter(node.op for node in nodes)
    # The two signatures share their layers' weights, but each has the operators of its own.
    weights = sum(file.stat().st_size for file in (folder / "variables").glob("variables.data-*"))
    return GraphFacts(
        ops=dict(ops.most_common()),
        custom_ops=tuple(node.op for node in nodes if node.op in _PYTHON_OPS),
        constant_bytes=weights,
        kernels=sum(ops[name] for name in _KERNELS),
    )


def read_contract(path: str | Path) -> Contract:
    """Read what a SavedModel takes and answers, without tensorflow.

    Args:
        path: The folder that holds the version.

    Raises:
        DataError: If the folder holds no SavedModel of this package.
    """
    file = _version_folder(path) / _EXTRA / _CONTRACT_FILE
    return Contract.from_json(read_regular(file) if file.is_file() else b"", file)


def _version_folder(path: str | Path) -> Path:
    found = [file.parent for file in Path(path).glob("*/saved_model.pb")]
    if len(found) != 1:
        raise DataError(
            f"'{printable(path)}' must hold one version of a SavedModel, as in "
            f"'model.saved_model/1/saved_model.pb'; it holds {listed(f.name for f in found)}."
            if found
            else f"There is no SavedModel in '{printable(path)}'. Check the path."
        )
    return found[0]


FORMATS = (
    ExportFormat(
        name="saved_model",
        suffix=".saved_model",
        quantizations=QUANTIZATIONS,
        summary="SavedModel for TensorFlow Serving; takes photos or JPEG and PNG files",
        write=write,
        load=load,
        inspect=inspect_folder,
        read_contract=read_contract,
        options=("version",),
        sets_threads=False,
        runtime="tensorflow",
    ),
)
