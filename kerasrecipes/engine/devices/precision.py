"""Mixed precision: computing in 16 bits where the hardware is made for it, weights in 32."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kerasrecipes.keras_private import parts_of, trained_by

if TYPE_CHECKING:
    import keras

FLOAT32, FLOAT16, BFLOAT16 = "float32", "mixed_float16", "mixed_bfloat16"
PRECISIONS = ("auto", FLOAT32, FLOAT16, BFLOAT16)
# The first with tensor cores; on older ones, and on a CPU, 16 bits are slower than 32.
TENSOR_CORES = (7, 0)
# What brings photos to the range of the first convolution needs all the digits there are.
SCALING = ("Rescaling", "Normalization")


def choose_precision(precision: str) -> str:
    """Turn `"auto"` into what is fastest on the hardware that is here.

    Args:
        precision: A name of `PRECISIONS`.

    Returns:
        `"mixed_bfloat16"` on a TPU, `"mixed_float16"` if every GPU has tensor cores (compute
        capability 7.0), otherwise `"float32"`; what was asked for, unless that was `"auto"`.
    """
    if precision != "auto":
        return precision
    import keras

    ask = _of_jax if keras.backend.backend() == "jax" else _of_tensorflow
    tpus, capabilities = ask()
    if tpus:
        return BFLOAT16
    return FLOAT16 if capabilities and min(capabilities) >= TENSOR_CORES else FLOAT32


@contextmanager
def computing_in(precision: str, layers: list) -> Iterator[None]:
    """Let layers compute in a precision while the block runs.

    Variables are float32 all the time, and when the block ends, all is float32 as before:
    nothing has to be copied or converted.

    Args:
        precision: `"float32"`, `"mixed_float16"` or `"mixed_bfloat16"`.
        layers: The layers; those that only scale photos stay in float32.
    """
    if precision == FLOAT32:
        yield
        return
    import keras

    policy = keras.dtype_policies.get(precision)
    parts = [
        part
        for layer in layers
        if type(layer).__name__ not in SCALING
        # A layer made of layers: each has a policy of its own.
        for part in parts_of(layer)
    ]
    policies = [part.dtype_policy for part in parts]
    try:
        for part in parts:
            part.dtype_policy = policy
        yield
    finally:
        for part, own in zip(parts, policies, strict=True):
            part.dtype_policy = own


def with_loss_scaling(
    optimizer: "keras.optimizers.Optimizer", precision: str
) -> "keras.optimizers.Optimizer":
    """Wrap an optimizer, if need be, so that small gradients do not become zero in float16.

    Steps whose gradients overflow are left out, and the scale is halved (Micikevicius et al.,
    2018, "Mixed Precision Training", section 3.2).

    Args:
        optimizer: A built Keras optimizer.
        precision: What the gradients are computed in.
    """
    if precision != FLOAT16:
        return optimizer
    import keras

    scaled = keras.optimizers.LossScaleOptimizer(optimizer)
    scaled.build(trained_by(optimizer))
    return scaled


def _of_tensorflow() -> tuple[bool, list[tuple[int, int]]]:
    """Tell whether there is a TPU, and the compute capability of each GPU."""
    import tensorflow as tf

    details = [
        tf.config.experimental.get_device_details(gpu)
        for gpu in tf.config.list_physical_devices("GPU")
    ]
    found = [tuple(one.get("compute_capability") or (0, 0)) for one in details]
    return bool(tf.config.list_physical_devices("TPU")), found


def _of_jax() -> tuple[bool, list[tuple[int, ...]]]:
    import jax

    devices = jax.local_devices()
    gpus = [device for device in devices if device.platform == "gpu"]
    found = [getattr(gpu, "compute_capability", "0.0") for gpu in gpus]
    tpu = any(device.platform == "tpu" for device in devices)
    return tpu, [tuple(int(part) for part in text.split(".")) for text in found]
