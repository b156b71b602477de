"""TensorFlow's converter to `.tflite`, for a Keras model whose variables became constants."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kerasrecipes.environment import silenced
from kerasrecipes.files import TemporaryFolder

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


@contextmanager
def tflite_converter(
    model: "keras.Model", examples: int | None = None
) -> Iterator["tf.lite.TFLiteConverter"]:
    """Yield a converter of a model to built-in operators; use it within the block.

    `TFLiteConverter.from_keras_model` goes by a SavedModel, too, and gives the same file, but
    saves every variable with functions of its own, which takes three quarters of the time.

    Args:
        model: A functional model; its inputs go by their names.
        examples: How many it is given at once, as layers that go step by step need to know; by
            default any number.

    Raises:
        Exception: Whatever TensorFlow raises for a graph that it cannot trace or freeze.
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    given = [
        tf.TensorSpec((examples, *one.shape[1:]) if examples else one.shape, one.dtype, one.name)
        for one in model.inputs
    ]
    single = len(given) == 1

    def answer(*batch: Any) -> Any:
        return model(batch[0] if single else list(batch), training=False)

    with silenced(), TemporaryFolder() as folder:
        traced = tf.function(answer, input_signature=given).get_concrete_function()
        frozen = convert_variables_to_constants_v2(traced, lower_control_flow=False)

        def constant(*batch: Any) -> Any:
            found = tf.nest.flatten(frozen(*batch))
            return tf.nest.pack_sequence_as(traced.structured_outputs, found)

        kept = tf.Module()
        kept.answer = tf.function(constant, input_signature=given)
        # Those of activations refer to what is in the graph of the model alone.
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        tf.saved_model.save(kept, str(folder), kept.answer, options)
        converter = tf.lite.TFLiteConverter.from_saved_model(str(folder))
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        yield converter
