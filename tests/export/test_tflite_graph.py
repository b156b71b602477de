"""What is read out of a `.tflite` file without running it."""

import pytest

from kerasrecipes.export import get_format
from kerasrecipes.export.tflite.graph import inspect_content


@pytest.fixture(scope="module")
def facts(exported_once):
    return {
        name: get_format("tflite").inspect(record.path)
        for name, record in exported_once.exports().items()
    }


def test_multiply_adds_are_those_of_the_layers(facts, trained):
    from kerasrecipes.surgery.multiply_adds import count_multiply_adds

    # 16×16 places × 3·3·3·8 weights, 8×8 × 3·3·8·32, and a dense layer of 32·3.
    assert count_multiply_adds(trained) == 256 * 216 + 64 * 2304 + 96
    for found in facts.values():
        assert found.multiply_adds == count_multiply_adds(trained)


def test_int8_share_of_the_work(facts):
    assert facts["tflite-float32"].int8_work_fraction == 0.0
    found = facts["tflite-int8"]
    assert found.int8_kernels == found.kernels == 3
    assert found.int8_work_fraction == found.int8_fraction == 1.0


def converted(function, *shapes) -> bytes:
    """Convert a function of float32 arrays."""
    import tensorflow as tf

    takes = [tf.TensorSpec(shape, tf.float32) for shape in shapes]
    concrete = tf.function(function).get_concrete_function(*takes)
    return tf.lite.TFLiteConverter.from_concrete_functions([concrete]).convert()


@pytest.mark.parametrize("turned", [False, True])
def test_multiply_adds_of_a_product_of_activations(turned):
    import tensorflow as tf

    right = (2, 6, 4) if turned else (2, 4, 6)
    content = converted(lambda a, b: tf.matmul(a, b, transpose_b=turned), (2, 5, 4), right)
    assert inspect_content(content).multiply_adds == 2 * 5 * 4 * 6


def test_multiply_adds_of_a_transposed_convolution():
    import tensorflow as tf

    kernel = tf.random.normal((3, 3, 2, 5), seed=1)
    content = converted(
        lambda x: tf.nn.conv2d_transpose(x, kernel, (1, 8, 8, 2), strides=2), (1, 4, 4, 5)
    )
    assert inspect_content(content).multiply_adds == 4 * 4 * 3 * 3 * 2 * 5


def test_complete_files_have_no_empty_weights(facts):
    assert [found.empty_weights for found in facts.values()] == [0, 0]


def test_weights_that_a_conversion_left_behind_are_counted(trained):
    """`from_concrete_functions` writes variables that nothing in the file fills."""
    import tensorflow as tf

    function = tf.function(lambda photo: trained(photo, training=False))
    concrete = function.get_concrete_function(tf.TensorSpec((1, 32, 32, 3), tf.float32))
    content = tf.lite.TFLiteConverter.from_concrete_functions([concrete], trained).convert()
    facts = inspect_content(content)
    assert facts.ops["VAR_HANDLE"] == facts.empty_weights == 12


def test_a_constant_without_bytes_is_counted(exported_once):
    from ai_edge_litert.tools import flatbuffer_utils

    path = exported_once.exports()["tflite-float32"].path
    model = flatbuffer_utils.read_model(str(path))
    graph = model.subgraphs[0]
    kernel = next(o for o in graph.operators if len(o.inputs) == 3).inputs[1]
    model.buffers[graph.tensors[kernel].buffer].data = None
    assert inspect_content(bytes(flatbuffer_utils.convert_object_to_bytearray(model))).empty_weights
