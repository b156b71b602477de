"""One `.tflite` file that also gives features, and whose last layer can learn on the device.

All operators are built in. Besides `classify`, which is what the plain file does, it has

    embed      photo → features, pooled, as the last layer sees them
    train      features (n, d), labels (n,), learning_rate → loss; one step for the last layer
    save       → kernel, bias, for the app to keep: they live as long as the interpreter
    restore    kernel, bias → classes

so an app embeds each new photo once, keeps the features, and trains on them as often as it
likes. `classify` answers with what was learnt. The classes stay those of the model.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from kerasrecipes.bundles.decision import last_dense
from kerasrecipes.environment import silenced
from kerasrecipes.errors import unknown_name
from kerasrecipes.export.tflite.convert import with_plain_errors
from kerasrecipes.files import TemporaryFolder
from kerasrecipes.keras_private import keep_in_archive

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from kerasrecipes.bundles.contract import Contract

# A function of the file, and what it takes.
_Endpoint = tuple[Callable[..., dict[str, Any]], list[Any]]

SIGNATURES = ("embed", "train")
# The converter sorts signatures by name, and the first is what plain interpreters run.
_FIRST = "classify"
_SMALLEST = 1e-12


def check_signatures(model: "keras.Model", signatures: Sequence[str], quantization: str) -> None:
    """Refuse signatures that cannot be written, before any work.

    Args:
        model: The model to convert.
        signatures: Names from `SIGNATURES`.
        quantization: Of the file.

    Raises:
        ValueError: If a name is unknown, `"embed"` is missing, or the model or the quantization
            does not fit.
    """
    names = [signatures] if isinstance(signatures, str) else signatures
    for name in names:
        if name not in SIGNATURES:
            raise unknown_name("signature", name, SIGNATURES, "tflite_signatures.SIGNATURES")
    if "embed" not in names or isinstance(signatures, str):
        raise ValueError(
            '`signatures` must be ("embed",) or ("embed", "train"), received '
            f"{signatures!r}: training learns from the features that embed gives."
        )
    if quantization != "float32":
        raise ValueError(
            f'`signatures` are written in float32 only, received quantization="{quantization}". '
            "Leave one of the two out."
        )
    if last_dense(model) is None:
        raise ValueError(
            "`signatures` need a model that ends in a dense layer with biases and a softmax, and "
            "this one does not. Leave them out."
        )


def convert_signatures(
    model: "keras.Model", contract: "Contract", signatures: Sequence[str]
) -> bytes:
    """Convert a classifier to `.tflite` bytes with several signatures.

    Args:
        model: Maps `(n, h, w, 3)` with values 0…255 to probabilities; see `check_signatures`.
        contract: What the file is to take and to answer, checked; see `check_model`.
        signatures: Names from `SIGNATURES`.

    Returns:
        The bytes of a file without metadata.

    Raises:
        VerificationError: If an operator of the model has no built-in counterpart.
    """
    import keras
    import tensorflow as tf

    learns = "train" in signatures
    head = _Head(model, contract, learns)
    archive = keras.export.ExportArchive()
    archive.track(model)
    keep_in_archive(archive, head.variables)  # restore would assign to what is not tracked
    for name, (function, takes) in head.endpoints().items():
        archive.add_endpoint(name, function, takes)
    with TemporaryFolder() as folder:
        with silenced():
            archive.write_out(str(folder), verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(
            str(folder), signature_keys=list(head.endpoints())
        )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        converter.experimental_enable_resource_variables = learns
        return with_plain_errors(converter.convert, model)


class _Head:
    """The last layer by hand: its gradient, written out, needs built-in operators only."""

    def __init__(self, model: "keras.Model", contract: "Contract", learns: bool):
        import keras
        import tensorflow as tf

        from kerasrecipes.data.modality import get_modality

        dense: Any = last_dense(model)  # which `check_signatures` found
        self._features = keras.Model(model.input, dense.input)
        takes, noun = contract.input, get_modality(contract.modality).noun[0]
        self._photo = tf.TensorSpec((1, *takes.shape), takes.dtype, name=noun)
        self._name = contract.output.name
        self._learns = learns
        make = tf.Variable if learns else tf.constant
        self.kernel, self.bias = (make(values) for values in dense.get_weights())
        self.variables = [self.kernel, self.bias] if learns else []

    def endpoints(self) -> dict[str, _Endpoint]:
        """Return name to function and what it takes."""
        import tensorflow as tf

        size, classes = self.kernel.shape
        features = tf.TensorSpec((None, size), tf.float32, name="features")
        labels = tf.TensorSpec((None,), tf.int32, name="labels")
        rate = tf.TensorSpec((), tf.float32, name="learning_rate")
        kernel = tf.TensorSpec((size, classes), tf.float32, name="kernel")
        bias = tf.TensorSpec((classes,), tf.float32, name="bias")
        found: dict[str, _Endpoint] = {
            _FIRST: (self.classify, [self._photo]),
            "embed": (self.embed, [self._photo]),
        }
        if self._learns:
            found |= {
                "train": (self.train, [features, labels, rate]),
                "save": (self.save, []),
                "restore": (self.restore, [kernel, bias]),
            }
        return found

    def embed(self, photo: "tf.Tensor") -> dict[str, "tf.Tensor"]:
        import tensorflow as tf

        # `training=False`: see `tflite_convert`.
        return {"features": self._features(tf.cast(photo, tf.float32), training=False)}

    def classify(self, photo: "tf.Tensor") -> dict[str, "tf.Tensor"]:
        return {self._name: self._scores(self.embed(photo)["features"])}

    def train(
        self, features: "tf.Tensor", labels: "tf.Tensor", learning_rate: "tf.Tensor"
    ) -> dict[str, "tf.Tensor"]:
        import tensorflow as tf

        scores, count = self._scores(features), tf.cast(tf.shape(features)[0], tf.float32)
        targets = tf.one_hot(labels, self.bias.shape[0])
        loss = -tf.reduce_sum(targets * tf.math.log(tf.maximum(scores, _SMALLEST))) / count
        error = (scores - targets) / count  # the gradient of the loss by the logits
        self.kernel.assign_sub(learning_rate * tf.matmul(features, error, transpose_a=True))
        self.bias.assign_sub(learning_rate * tf.reduce_sum(error, axis=0))
        return {"loss": loss}

    def save(self) -> dict[str, "tf.Tensor"]:
        return {"kernel": self.kernel.read_value(), "bias": self.bias.read_value()}

    def restore(self, kernel: "tf.Tensor", bias: "tf.Tensor") -> dict[str, "tf.Tensor"]:
        import tensorflow as tf

        self.kernel.assign(kernel)
        self.bias.assign(bias)
        return {"classes": tf.size(bias)}

    def _scores(self, features: "tf.Tensor") -> "tf.Tensor":
        import tensorflow as tf

        return tf.nn.softmax(tf.matmul(features, self.kernel) + self.bias)
