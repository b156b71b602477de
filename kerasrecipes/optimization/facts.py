"""What a model takes, in numbers that a report can hold."""

from typing import TYPE_CHECKING

from kerasrecipes.optimization.multiply_adds import count_multiply_adds
from kerasrecipes.optimization.weight_report import report_weights
from kerasrecipes.silence import silenced

if TYPE_CHECKING:
    import keras


def model_facts(model: "keras.Model") -> dict[str, float]:
    """Count a model's parameters, arithmetic, zeros and bytes.

    Args:
        model: A functional model of convolutions and dense layers.

    Returns:
        `parameters`, `weight_bytes`, `zipped_bytes`, `zero_fraction`, and `multiply_adds` where
        it can be counted.
    """
    weights = report_weights(model)
    facts = {
        "parameters": model.count_params(),
        "weight_bytes": weights.raw_bytes,
        "zipped_bytes": weights.zipped_bytes,
        "zero_fraction": weights.sparsity,
    }
    try:
        facts["multiply_adds"] = count_multiply_adds(model)
    except ValueError:
        pass  # a layer with products that this cannot count
    return facts


def sparse_bytes(model: "keras.Model") -> int:
    """Return the size of a float32 `.tflite` file whose zeros are left out.

    Args:
        model: A functional model, photos to scores.
    """
    import tensorflow as tf

    with silenced():
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        converter.optimizations = [tf.lite.Optimize.EXPERIMENTAL_SPARSITY]
        return len(converter.convert())
