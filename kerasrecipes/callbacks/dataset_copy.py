"""Reading a data set without moving it on."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf

# Shuffling remembers how often it was read, and caching what was read.
REMEMBERS = ("SeedGenerator", "MemoryCache")


def copy_dataset(dataset: "tf.data.Dataset") -> "tf.data.Dataset":
    """Copy a data set, so that reading the copy leaves the order of the original alone.

    A shuffled `tf.data.Dataset` counts its passes: reading it once, even in part, changes
    every later epoch. The copy has counters of its own.

    Args:
        dataset: The data set to copy.

    Returns:
        A data set with the same elements.

    Raises:
        ValueError: If it cannot be copied, for example since it holds more than 2 GB of arrays.
    """
    import tensorflow as tf

    variant = tf.data.experimental.to_variant(dataset)
    try:
        # A policy of 1 lets Python generators and tables pass; the copy shares them.
        serialized = tf.raw_ops.DatasetToGraphV2(input_dataset=variant, external_state_policy=1)
        graph = tf.compat.v1.GraphDef.FromString(serialized.numpy())
        for node in graph.node:
            for handle in node.attr["value"].tensor.resource_handle_val:
                if any(kind in handle.maybe_type_name for kind in REMEMBERS):
                    # A name that leads nowhere makes the copy begin a state of its own.
                    handle.name = f"copy_of_{handle.name}"
        copy = tf.raw_ops.DatasetFromGraph(graph_def=graph.SerializeToString())
    except (tf.errors.OpError, ValueError) as error:
        raise ValueError(
            f"The data set cannot be read without changing its order: {error}. "
            "Pass arrays as a tuple (x, y), or a data set that reads from files."
        ) from error
    return tf.data.experimental.from_variant(copy, dataset.element_spec)
