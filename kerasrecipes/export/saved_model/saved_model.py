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
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kerasrecipes.bundles.contract import Contract
from kerasrecipes.environment import import_keras, silenced
from kerasrecipes.errors import DataError, VerificationError, listed, printable, unknown_name
from kerasrecipes.export.checks import (
    check_answer,
    check_facts,
    check_model,
    ramp,
)
from kerasrecipes.export.format import ExportFormat, GraphFacts
from kerasrecipes.export.scoring import PhotoScorer
from kerasrecipes.export.tflite.metadata import LABELS_FILE, labels_text
from kerasrecipes.files import sync_folder, temporary_folder

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

QUANTIZATIONS = ("float32",)
FROM_FILES = "photo_bytes"
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
    quantization: str = "float32",
    calibration: np.ndarray | None = None,
    class_names: Sequence[str],
    description: str = "",
    policy: Mapping[str, object] | None = None,
    version: int = 1,
) -> Path:
    """Write a classifier of photos as a folder that TensorFlow Serving can serve.

    It has two signatures. `serving_default` takes `photos`, uint8 `(n, h, w, 3)`;
    `photo_bytes` takes the files of JPEGs and PNGs and decodes them by the policy as far as
    TensorFlow can, see `kerasrecipes.export.saved_model.decoding`. Both give `scores`.

    Args:
        model: Maps `(n, h, w, 3)` with values 0…255 to probabilities `(n, classes)`.
        path: The folder to write, which must not exist; it appears complete or not at all.
        quantization: `"float32"`.
        calibration: Training photos, of which one tries out the model; none are needed.
        class_names: The labels, in the order of the model's outputs.
        description: One line about the model, stored in the folder.
        policy: How photos are decoded, as a dict, stored in the folder and built in.
        version: What TensorFlow Serving calls this version of the model, ≥ 1.

    Returns:
        `path`.

    Raises:
        ValueError: If `quantization` is unknown, `version` is not a positive whole number, or
            the model's shapes do not fit.
        DataError: If `class_names` cannot be used, or `path` exists.
        VerificationError: If the model cannot be converted, lost its weights, needs Python to
            run, or answers with NaN.
    """
    from kerasrecipes.photos.decoding.policy import DecodePolicy

    path = Path(path)
    if quantization not in QUANTIZATIONS:
        raise unknown_name(
            "quantization", quantization, QUANTIZATIONS, "kerasrecipes.list_formats()"
        )
    if not isinstance(version, int) or version < 1:
        raise ValueError(f"`version` must be a whole number ≥ 1, received {version!r}.")
    check_model(model, class_names)
    if path.exists():
        raise DataError(f"'{printable(path)}' exists already. Name a new folder.")
    contract = Contract(tuple(class_names), dict(policy or {}), description)
    decoding = DecodePolicy.from_dict(dict(policy or {}))
    path.parent.mkdir(parents=True, exist_ok=True)
    with temporary_folder(path.parent) as outer:
        folder = outer / path.name / str(version)
        _convert(model, folder, decoding)
        _describe(folder / _EXTRA, contract)
        check_facts(inspect_folder(folder.parent), model, runtime="TensorFlow Serving")
        loaded = load(folder.parent)
        check_answer(loaded, class_names, calibration)
        _check_files(loaded, decoding)
        sync_folder(folder.parent)
        folder.parent.rename(path)
    return path


def _convert(model: "keras.Model", folder: Path, policy) -> None:
    keras = import_keras()
    import tensorflow as tf

    from kerasrecipes.export.saved_model.decoding import decode_files

    size = tuple(model.input_shape[1:3])

    # `training=False`: preprocessing layers such as Resizing otherwise switch the layers after
    # them to training mode.
    def classify(photos: tf.Tensor) -> dict[str, tf.Tensor]:
        scores = model(tf.cast(photos, tf.float32), training=False)
        return {"scores": tf.cast(scores, tf.float32)}

    def classify_files(photo_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        return classify(decode_files(photo_bytes, size, policy))

    photos = tf.TensorSpec((None, *size, 3), tf.uint8, name="photos")
    files = tf.TensorSpec((None,), tf.string, name=FROM_FILES)
    try:
        with silenced(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            archive = keras.export.ExportArchive()
            archive.track(model)
            archive.add_endpoint(_DEFAULT, classify, [photos])
            archive.add_endpoint(FROM_FILES, classify_files, [files])
            archive.write_out(str(folder), verbose=False)
    except Exception as error:  # tracing runs the layers' own code, which raises anything
        raise VerificationError(
            f"The model cannot be written as a SavedModel: {printable(error)[:300]} Replace the "
            "layer, or use another backbone."
        ) from error


def _describe(folder: Path, contract: Contract) -> None:
    folder.mkdir()
    (folder / _CONTRACT_FILE).write_text(contract.to_json() + "\n", encoding="utf-8")
    (folder / LABELS_FILE).write_text(labels_text(contract.class_names), encoding="utf-8")


def _check_files(loaded: "SavedModel", policy) -> None:
    """Make sure that a file gets the same answer as its pixels."""
    import tensorflow as tf

    from kerasrecipes.export.saved_model.decoding import decode_files

    height, width = (max(side, policy.min_side) for side in loaded.image_size)
    drawn = ramp((height, width))
    files = tf.stack([tf.io.encode_png(drawn), tf.io.encode_jpeg(drawn)])
    expected = loaded(decode_files(files, loaded.image_size, policy).numpy())
    gap = float(np.abs(loaded.score_files(files.numpy().tolist()) - expected).max())
    if not gap < 1e-3:
        raise VerificationError(
            f"The signature '{FROM_FILES}' answers differently by {gap:.2g} than the photo's "
            "pixels. Check that the model gives the same answer for the same photo."
        )


def load(path: str | Path, threads: None = None) -> "SavedModel":
    """Open a SavedModel in tensorflow.

    Args:
        path: The folder that holds the version. Check its digest first: TensorFlow runs what
            it finds there.
        threads: Must be left out: tensorflow has one pool of threads for the whole process.

    Returns:
        A callable on uint8 photos.

    Raises:
        DataError: If the folder does not hold a readable photo classifier.
        ValueError: If `threads` is given.
    """
    if threads is not None:
        raise ValueError(
            f"`threads` has no effect on a SavedModel, received {threads!r}. Leave it out, or call "
            "tf.config.threading.set_intra_op_parallelism_threads before tensorflow is used."
        )
    return SavedModel(_version_folder(path))


class SavedModel(PhotoScorer):
    """A SavedModel classifier in tensorflow.

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
            self._score_photos = self._loaded.signatures[_DEFAULT]
            self._score_files = self._loaded.signatures[FROM_FILES]
            takes = self._score_photos.structured_input_signature[1]["photos"]
            gives = self._score_photos.structured_outputs["scores"]
            fits = takes.dtype == tf.uint8 and len(takes.shape) == 4 and gives.dtype == tf.float32
        except Exception as error:  # tensorflow raises many types on foreign folders
            reason = printable((str(error).splitlines() or [""])[0])
            raise DataError(
                f"TensorFlow cannot open '{printable(folder)}' as a photo classifier: {reason} "
                "Export the model with kerasrecipes."
            ) from error
        if not fits:
            raise DataError(
                f"'{printable(folder)}' is not a photo classifier as this package writes them: it "
                f"takes {takes} and gives {gives}. Export the model with kerasrecipes."
            )
        self.image_size = tuple(takes.shape[1:3])
        self.class_count = gives.shape[-1]

    def _score(self, photos: np.ndarray) -> np.ndarray:
        return self._score_photos(photos=_tensor(photos))["scores"].numpy()

    def score_files(self, files: Sequence[bytes]) -> np.ndarray:
        """Score JPEG and PNG files, decoded in the graph.

        Args:
            files: The bytes of the files.

        Returns:
            Scores, float32 `(n, classes)`.

        Raises:
            DataError: If a file cannot be used.
        """
        import tensorflow as tf

        try:
            found = self._score_files(photo_bytes=_tensor(list(files), tf.string))
        except tf.errors.InvalidArgumentError as error:
            raise DataError(
                f"A photo cannot be used: {printable(error.message)[:300]}. Pass JPEG or PNG files."
            ) from error
        return found["scores"].numpy()


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
    from tensorflow.core.protobuf import saved_model_pb2

    folder = _version_folder(path)
    try:
        found = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
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
    """Read labels and decoding policy of a SavedModel, without tensorflow.

    Args:
        path: The folder that holds the version.

    Returns:
        Labels, decoding policy, description.

    Raises:
        DataError: If the folder holds no SavedModel of this package.
    """
    file = _version_folder(path) / _EXTRA / _CONTRACT_FILE
    return Contract.from_json(file.read_bytes() if file.is_file() else b"", file)


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
