"""What has no public name in Keras still does what this package needs it for.

When a new version of Keras breaks one of these, mend `kerasrecipes/keras_private.py`; the names
of the tests say what else would break.
"""

import random

import keras
import numpy as np
import pytest
from keras import layers

from kerasrecipes import keras_private as private


class Pair(layers.Layer):
    """A layer made of two others, as KerasHub's blocks are."""

    def __init__(self, **options):
        super().__init__(**options)
        self.first, self.second = layers.Dense(2, name="first"), layers.Dense(2, name="second")

    def call(self, x):
        return self.second(self.first(x))


@pytest.fixture
def model():
    given = keras.Input((2,), name="given")
    pair = Pair(name="pair")(given)
    both = layers.Add(name="both")([pair, given])
    return keras.Model(given, layers.Dense(1, name="last")(both), name="small")


@pytest.fixture
def optimizer(model):
    adam = keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(0.1, 10), use_ema=True)
    adam.exclude_from_weight_decay(var_names=["bias"])
    adam.build(model.trainable_variables)
    return adam


def test_freezing_averaging_and_copying_reach_layers_inside_layers(model):
    found = [part.name for part in private.parts_of(model)]
    assert sorted(found) == sorted(["small", *"given pair first second both last".split()])
    assert private.parts_of(model)[0] is model
    assert [part.name for part in private.parts_of(model.get_layer("last"))] == ["last"]


def test_names_that_a_model_has_are_given_to_nothing_else():
    keras.utils.clear_session()
    given = keras.Input((2,), name="given")
    x = layers.Activation("relu", name="add_3")(layers.ReLU(name="exp")(given))
    private.spare_names(keras.Sequential([keras.Model(given, x, name="log")]))
    assert layers.Add().name == "add"  # what is inside another model is no name of the outer one
    private.spare_names(keras.Model(given, x))
    assert [layers.Add().name, keras.ops.exp(x).name] != ["add_3", "exp"]
    keras.Model(given, keras.ops.exp(x + x) + x + x + x + x + x)


def test_backbones_are_cut_rebuilt_folded_and_counted_by_the_nodes_of_their_graph(model):
    assert private.has_graph(model)
    assert not private.has_graph(keras.Sequential([keras.Input((2,)), layers.Dense(1)]))
    given, pair, both, last = private.nodes_in_order(model)
    assert [node.operation.name for node in (given, pair, both, last)] == [
        "given", "pair", "both", "last",
    ]  # fmt: skip
    assert given.is_input and not pair.is_input
    assert both.input_tensors == [pair.outputs[0], given.outputs[0]]
    assert last.outputs[0] is model.outputs[0]
    made = {id(pair.outputs[0]): "one", id(given.outputs[0]): "other"}
    assert both.arguments.fill_in(made) == ((["one", "other"],), {})


def test_tfmot_trains_the_same_graph_of_other_layers(model):
    def counterpart(operation):
        return sum if operation.name == "both" else lambda x: x + 1

    assert private.run_graph(model, [1], counterpart) == 1 + 1 + 1 + 1


def test_the_logits_before_a_softmax_are_found(model):
    assert private.maker_of(model.outputs[0]) is model.get_layer("last")


def test_rounding_is_corrected_only_in_layers_called_once(model):
    layer = layers.Dense(2)
    for count in (1, 2):
        layer(model.inputs[0])
        assert private.count_calls(layer) == count


def test_rates_are_lowered_without_losing_their_schedule(optimizer):
    assert isinstance(private.rate_or_schedule(optimizer), keras.optimizers.schedules.CosineDecay)
    assert float(private.rate_or_schedule(keras.optimizers.SGD(0.5))) == 0.5


def test_each_block_keeps_its_optimizer_and_its_averages(model, optimizer):
    trained = private.trained_by(optimizer)
    assert [id(one) for one in trained] == [id(one) for one in model.trainable_variables]
    shapes = [one.shape for one in private.averages_of(optimizer)]
    assert shapes == [one.shape for one in trained]


def test_a_sweep_of_rates_decays_what_the_training_will(model, optimizer):
    copy = type(optimizer).from_config(optimizer.get_config())
    private.copy_decay_exclusions(optimizer, copy)
    copy.build(model.trainable_variables)
    kernel, bias = model.get_layer("last").trainable_variables
    assert copy._use_weight_decay(kernel) and not copy._use_weight_decay(bias)


def test_gradients_that_are_summed_are_not_summed_again(optimizer):
    assert callable(optimizer._all_reduce_sum_gradients)
    private.take_gradients_as_they_are(optimizer)
    assert optimizer._all_reduce_sum_gradients([(1, 2)]) == [(1, 2)]


def test_a_resumed_fit_knows_whether_its_averages_are_swapped_in():
    callback = keras.callbacks.SwapEMAWeights()
    assert private.averages_are_in(callback) is False
    private.say_averages_are_in(callback, True)
    assert private.averages_are_in(callback) is True


def test_random_layers_go_on_where_they_were():
    random.seed(0)
    generator = private.make_global_generator()
    assert private.find_global_generator() is generator
    before = generator.state.numpy().copy()
    keras.random.uniform((1,))
    assert (generator.state.numpy() != before).any()
    try:
        private.put_global_generator(None)
        assert private.find_global_generator() is None
    finally:
        private.put_global_generator(generator)
    assert private.find_global_generator() is generator


def test_a_file_may_learn_on_a_phone(tmp_path):
    import tensorflow as tf

    variable = tf.Variable(np.zeros(2, "float32"))
    archive = keras.export.ExportArchive()
    private.keep_in_archive(archive, [variable])
    takes = [tf.TensorSpec((2,), tf.float32)]
    archive.add_endpoint("add", lambda x: {"sum": variable.assign_add(x)}, takes)
    archive.write_out(tmp_path / "saved", verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    assert loaded.add(tf.ones(2))["sum"].numpy().tolist() == [1.0, 1.0]


def test_summaries_of_tensorboard_can_be_replaced(tmp_path):
    board = keras.callbacks.TensorBoard(tmp_path, profile_batch=0)
    setattr(board, private.SUMMARY_OF_TENSORBOARD, "another")
    assert board.summary == "another"


def test_tf2onnx_runs_with_numpy_2():
    pytest.importorskip("tf2onnx")
    private.patch_tf2onnx()


def test_what_subclasses_of_keras_take_part_in_is_there():
    assert callable(keras.Model._symbolic_build)  # a step in parts is built with full shares
    assert callable(keras.Model._maybe_symbolic_build)
    assert callable(keras.optimizers.Optimizer._get_variable_index)  # weights' starts, by place


@pytest.mark.parametrize(
    ("options", "validates"),
    [
        ({}, False),
        ({"validation_split": 0.5}, True),
        ({"validation_split": 0.5, "validation_freq": 2}, True),
        ({"validation_split": 0.5, "validation_freq": [4]}, False),
        ({"validation_split": 0.5, "validation_freq": 4, "initial_epoch": 2}, False),
        ({"validation_split": 0.5, "initial_epoch": 3}, True),  # there is no epoch to go
    ],
)
def test_what_a_callback_waits_for_is_known_from_the_fit_that_runs(model, options, validates):
    class Looks(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.found = private.running_fit(self.model)

    looks = Looks()
    model.compile(loss="mse", run_eagerly=True)
    model.fit(np.ones((4, 2)), np.ones(4), epochs=3, verbose=0, callbacks=[looks], **options)
    assert looks.found.validates is validates
    assert looks in looks.found.callbacks
    assert private.running_fit(model) is None
