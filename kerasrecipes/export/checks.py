"""What every format checks: the model, what came out of it, and what callers pass to it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.bundles.labels import check_class_names
from kerasrecipes.data.shapes import is_of_shape, stand_in
from kerasrecipes.environment import import_keras
from kerasrecipes.errors import DataError, VerificationError, listed, printable, unknown_name
from kerasrecipes.export.format import GraphFacts, LoadedModel
from kerasrecipes.regular import read_regular

if TYPE_CHECKING:
    import keras

    from kerasrecipes.bundles.contract import Contract
    from kerasrecipes.data.specs import ModelInput, OutputSpec

LARGEST_FILE = 1 << 31  # what the formats can address


def check_backend(
    what: str,
    advice: str = "Save the recipe, and load it where KERAS_BACKEND=tensorflow is set before keras "
    "is imported.",
) -> None:
    """Find out before any work whether a model can be converted here.

    Args:
        what: What needs the conversion, e.g. `"An export"`.
        advice: What to do instead.

    Raises:
        ValueError: If Keras does not run on TensorFlow.
    """
    backend = import_keras().backend.backend()
    if backend != "tensorflow":
        raise ValueError(
            f"{what} converts a graph of TensorFlow, and Keras runs on {backend} here. The bundle "
            f"is the same for both. {advice}"
        )


def check_quantization(quantization: str, known: Sequence[str]) -> None:
    """Refuse a quantization that a format does not have.

    Args:
        quantization: What a caller passed.
        known: Those of the format.

    Raises:
        ValueError: If it is none of them.
    """
    if quantization not in known:
        raise unknown_name("quantization", quantization, known, "kerasrecipes.list_formats()")


def read_file(path: str | Path) -> bytes:
    """Return the bytes of an exported file.

    Raises:
        DataError: If there is none, or it is larger than such files can be.
    """
    if not Path(path).is_file():
        raise DataError(f"There is no file '{printable(path)}'. Check the path.")
    if Path(path).stat().st_size > LARGEST_FILE:
        raise DataError(
            f"'{printable(path)}' is larger than {LARGEST_FILE:,} bytes, which no exported file "
            "is. Export the model again."
        )
    return read_regular(path, largest=LARGEST_FILE)


def check_model(model: "keras.Model", contract: "Contract") -> "Contract":
    """Make sure that a model takes and gives what a file of it will say.

    Args:
        model: The model to export.
        contract: What the file is to say.

    Returns:
        The contract; what it leaves open of the input's shape is the model's.

    Raises:
        ValueError: If the model's shapes do not fit.
        DataError: If the class names cannot be told apart in a file of labels.
    """
    from kerasrecipes.data.modality import get_modality

    takes, shape = model.input_shape, contract.input.shape
    own = tuple(takes[1:]) if isinstance(takes, tuple) else ()
    free = get_modality(contract.modality).free_length
    if not (is_of_shape(shape, own) and (free or all(own))):
        raise ValueError(
            f"`model` must take one input ({', '.join(map(str, (None, *_named(shape))))}) of known "
            f"size, received {takes}. Build it with a fixed image_size."
        )
    for output in contract.outputs:
        if not output.decides:
            _check_output(output_of(model, output, contract), output)
    return contract.model_copy(update={"input": with_shape(contract.input, own)})


def _named(shape: tuple[int | None, ...]) -> list[object]:
    """Name the sides that are free."""
    names = iter(("height", "width"))
    return [next(names, "size") if size is None else size for size in shape]


def _check_output(tensor: "keras.KerasTensor", output: "OutputSpec") -> None:
    gives = tuple(tensor.shape)
    if len(gives) != 2 or gives[1] != output.width:
        if output.class_names:
            raise ValueError(
                f"`model` must give one score per class: it gives {gives} and there are "
                f"{len(output.class_names)} class names. Pass the names the model was trained with."
            )
        raise ValueError(
            f"`model` must give one number, of shape (None, 1), as {output.name!r}: it gives "
            f"{gives}. Pass the contract of this model."
        )
    check_class_names(output.class_names)


def output_of(
    model: "keras.Model", output: "OutputSpec", contract: "Contract"
) -> "keras.KerasTensor":
    """Find an output of a model.

    Args:
        model: The model; its one output may be called otherwise.
        output: One of the outputs that a file of it is to have.
        contract: All that the file is to say.

    Raises:
        ValueError: If the model has no output of that name.
    """
    return _by_name(model, model.outputs, contract)[output.name]


def answers_of(
    model: "keras.Model",
    inputs: "keras.KerasTensor | list[keras.KerasTensor]",
    contract: "Contract",
) -> dict[str, "keras.KerasTensor"]:
    """Call a model as a file of it does.

    `training=False` is passed on, because preprocessing layers such as Resizing otherwise
    switch the layers after them to training mode.

    Args:
        model: The model to export.
        inputs: A batch, of the dtype that the file takes; or one for each input of the model.
        contract: What the file is to say.

    Returns:
        Name to answers, float32.
    """
    import keras

    from kerasrecipes.export.decisions import decided_in_graph

    def cast(tensor: Any, dtype: str = "float32") -> Any:
        # A cast that changes nothing would be an operator in the file.
        same = keras.backend.standardize_dtype(tensor.dtype) == dtype
        return tensor if same else keras.ops.cast(tensor, dtype)

    taken = [
        cast(one, keras.backend.standardize_dtype(takes.dtype))
        for one, takes in zip(keras.tree.flatten(inputs), model.inputs, strict=True)
    ]
    found = keras.tree.flatten(model(taken[0] if len(taken) == 1 else taken, training=False))
    given = {name: cast(answers) for name, answers in _by_name(model, found, contract).items()}
    scores, told = given[contract.output.name], contract.output
    added = [output.name for output in contract.outputs if output.decides]
    return given | {name: decided_in_graph(told, name, scores) for name in added}


def _by_name(model: "keras.Model", tensors: Sequence, contract: "Contract") -> dict[str, Any]:
    names = [output.name for output in contract.outputs if not output.decides]
    if len(tensors) == len(names) == 1:
        return dict(zip(names, tensors, strict=True))
    found = dict(zip(model.output_names, tensors, strict=True))
    if missing := [name for name in names if name not in found]:
        raise ValueError(
            f"`model` has no output {listed(missing)}; it has {listed(found)}. Name its last "
            "layers as the contract does."
        )
    return {name: found[name] for name in names}


def check_facts(
    facts: GraphFacts, model: "keras.Model", *, runtime: str, bytes_per_weight: float = 4
) -> None:
    """Refuse files that convert without an error and still are not the model.

    Args:
        facts: What is in the file.
        model: The model it was made from.
        runtime: What runs such files, e.g. `"LiteRT"`.
        bytes_per_weight: What one weight takes at least.

    Raises:
        VerificationError: If the runtime lacks an operator, or the file lost its weights.
    """
    if facts.custom_ops:
        raise VerificationError(
            f"The converted file needs {len(facts.custom_ops)} operators that {runtime} lacks: "
            f"{listed(sorted(set(facts.custom_ops)))}. Replace those layers, or use another "
            "backbone."
        )
    if facts.empty_weights:
        raise VerificationError(
            f"The converted file reads {facts.empty_weights} weights that it does not hold. Export "
            "a plain Keras 3 model."
        )
    weights = sum(int(np.prod(w.shape)) for w in model.weights if len(w.shape) >= 2)
    least = int(weights * bytes_per_weight // 2)
    if facts.constant_bytes < least:
        raise VerificationError(
            f"The converted file holds {facts.constant_bytes} bytes of constants where {weights} "
            f"weights need at least {least}: it lost its weights. Export a plain Keras 3 model."
        )


def check_answer(
    loaded: LoadedModel, contract: "Contract", inputs: np.ndarray | None = None
) -> None:
    """Ask a converted file about one example, before the file is kept.

    Args:
        loaded: The converted file.
        contract: What it says of itself.
        inputs: Examples, of which the first is used; a ramp of greys if there are none.

    Raises:
        VerificationError: If an answer is missing, or a number is NaN or infinite.
    """
    if inputs is None or len(inputs) == 0:
        inputs = _any_input(loaded.shape, loaded.dtype)[None]
    found = loaded(inputs[:1])
    for output in contract.outputs:
        if output.name not in found:
            raise VerificationError(
                f"The converted file answers with {listed(found)}, and not with {output.name!r}. "
                "Name the last layer of the model as the contract does."
            )
        answer = found[output.name][0]
        if np.all(np.isfinite(answer)):
            continue
        names = output.class_names or (output.name,)
        bad = [n for n, number in zip(names, answer, strict=True) if not np.isfinite(number)]
        of = f"{len(bad)} of {len(names)} classes " if output.class_names else ""
        raise VerificationError(
            f"The converted file answers NaN for {of}"
            f"({listed(bad)}). Check that the model's own predictions are finite."
        )


def _any_input(shape: tuple[int | None, ...], dtype: str) -> np.ndarray:
    known = tuple(side for side in shape if side is not None)
    return ramp(known, dtype) if len(known) == len(shape) else stand_in(shape, dtype)


def ramp(shape: tuple[int, ...], dtype: str = "uint8") -> np.ndarray:
    """Make an input that goes from 0 on the left to 255 on the right; a photo of greys.

    Args:
        shape: Of one example.
        dtype: Type of its numbers.
    """
    along = 1 if len(shape) > 1 else 0
    values = np.linspace(0, 255, shape[along]).astype(dtype)
    sides = [1] * len(shape)
    sides[along] = shape[along]
    return np.broadcast_to(values.reshape(sides), shape)


def check_loaded(model: LoadedModel, contract: "Contract", name: str) -> "ModelInput":
    """Compare a file with what it says of itself.

    Args:
        model: The opened file.
        contract: What it says.
        name: What to call the file in messages.

    Returns:
        What it takes, the size included.

    Raises:
        DataError: If it is another model's.
    """
    for output in contract.outputs:
        width = model.outputs.get(output.name)
        if width is None:
            raise DataError(
                f"The export '{printable(name)}' answers with {listed(model.outputs)}, and not "
                f"with {output.name!r}. Export the model again."
            )
        if width != output.width:
            wanted = f"{len(output.class_names)} labels" if output.class_names else "one number"
            raise DataError(
                f"The export '{printable(name)}' gives {width} scores for {wanted}. Export the "
                "model again."
            )
    told = contract.input
    if model.dtype != told.dtype or not is_of_shape(told.shape, model.shape):
        raise DataError(
            f"The export '{printable(name)}' takes {model.dtype} of shape {model.shape}, and says "
            f"that it takes {told.dtype} of shape {told.shape}. Export the model with kerasrecipes."
        )
    return with_shape(told, model.shape)


def with_shape(spec: "ModelInput", shape: Sequence[int | None]) -> "ModelInput":
    """Return what is taken, with the shape that is known of it."""
    return spec.model_copy(update={"shape": tuple(shape)})


def check_threads(threads: int) -> None:
    """Refuse a number of threads that is none.

    Args:
        threads: What a caller passed.

    Raises:
        ValueError: If it is not a positive whole number.
    """
    if not isinstance(threads, int) or threads < 1:
        raise ValueError(f"`threads` must be a whole number ≥ 1, received {threads!r}.")
