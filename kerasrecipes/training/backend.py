"""What runs under which backend of Keras."""


def check_backend() -> None:
    """Find out before a fit whether it can run here.

    Raises:
        ValueError: If Keras runs on a backend that this package is not tested with.
    """
    import keras

    backend = keras.backend.backend()
    if backend not in {"tensorflow", "jax"}:
        raise ValueError(
            f"A recipe fits on the Keras backends 'tensorflow' and 'jax', not on {backend!r}. "
            "Set KERAS_BACKEND=tensorflow, before keras is imported."
        )


def be_deterministic() -> None:
    """Let operations give the same bits each time, at a cost on a GPU.

    Raises:
        ValueError: If that cannot be asked for from here.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "`deterministic` would have no effect: JAX is deterministic on a CPU, and on a GPU "
            "when the environment has XLA_FLAGS=--xla_gpu_deterministic_ops=true. Leave it out."
        )
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()
