"""Making a fitted recipe's model small by rounding its numbers."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kerasrecipes.arguments import named
from kerasrecipes.console import heeds_verbose, say
from kerasrecipes.data.batches import one_hot
from kerasrecipes.data.examples import Examples
from kerasrecipes.data.seen import on_side
from kerasrecipes.errors import is_number, unknown_name
from kerasrecipes.files import TemporaryFolder
from kerasrecipes.optimization.probabilities import check_probabilities
from kerasrecipes.optimization.pruning import check_epochs
from kerasrecipes.optimization.quantization_report import QuantizationReport
from kerasrecipes.optimization.quantized_model import QuantizedModel
from kerasrecipes.quantization.range_outliers import find_range_outliers
from kerasrecipes.quantization.sensitivity import check_keep_float, layers_to_keep
from kerasrecipes.release.calibration import calibration_inputs
from kerasrecipes.settings.setting import idle_sentence, settings_without_effect
from kerasrecipes.training.refitting import checked_sides, fit_photos, refitted, refuse_other_data
from kerasrecipes.training.retraining import retrain, teacher_of

if TYPE_CHECKING:
    import keras

    from kerasrecipes.bundles.contract import Contract
    from kerasrecipes.training.recipe import Recipe

MODES = ("float16", "dynamic", "int8", "int4", "qat")
# Of quantization-aware training, for which the model is nearly right from the start.
EPOCHS, LEARNING_RATE = 8, 1e-4
# Of what TFMOT trains towards; the labels have the rest.
TEACHER_SHARE = 0.9
# The modes that look at an argument; those that are not here are for training.
USED_BY = {
    "train": ("int8", "qat"),
    "keep_float": ("int8", "int4"),
    "keep_int8": ("int4",),
}


@named
@heeds_verbose
def quantize(
    recipe: "Recipe",
    mode: str = "int8",
    *,
    train: Examples | None = None,
    keep_float: float | Sequence[str] | None = None,
    keep_int8: Sequence[str] | None = None,
    val: Examples | None = None,
    engine: str | None = None,
    epochs: int | None = None,
    learning_rate: float | None = None,
    scheme: str | None = None,
    sparsity: float | None = None,
    clusters: int | None = None,
    verbose: bool = True,
) -> QuantizedModel:
    """Write a fitted recipe's model as a small `.tflite` file, and report what became of it.

    `"float16"`, `"dynamic"` and `"int4"` round weights alone. `"int8"` also computes in 8 bits,
    over ranges learned from calibration photos, with biases corrected for what rounding shifts.
    `"qat"` trains the model on with simulated rounding first, towards what the float model
    says, and loses least.

    Args:
        recipe: A fitted `ImageClassifier`, or one that was loaded; it stays as it is.
        mode: `"float16"`, `"dynamic"`, `"int8"`, `"int4"` (needs the extra `quantizer`), `"qat"`.
        train: Training photos, by default those of the fit. `"int8"` measures ranges on
            about 100 of them; `"qat"` trains on all of them, so pass all that there are. Never
            photos that the model is tested on.
        keep_float: Layers that `"int8"` leaves in float besides its small ends: their names; or
            a share, e.g. 0.05, of the weights and of the arithmetic, for which the most
            sensitive layers are chosen, see `measure_sensitivity`. `"int4"` takes names.
        keep_int8: Names of layers whose weights `"int4"` stores in 8 bits.
        val: Photos to choose the weights by, for `"qat"`; by default those of the fit.
        engine: Who simulates the rounding in `"qat"`: `"native"`, the layers of this package on
            Keras 3, which gives a new recipe, too; or `"tfmot"`, TensorFlow Model Optimization
            through tf_keras, which gives a file alone.
        epochs: Epochs of `"qat"`, 8 by default; of each stage, if `scheme` has several.
        learning_rate: Its peak, 1e-4 by default.
        scheme: What TFMOT does before and holds while it trains for 8 bits: `"qat"` nothing,
            `"pqat"` prunes, `"cqat"` lets weights share values, `"pcqat"` does both.
        sparsity: Fraction of zeros of a scheme that prunes, 0.5 by default.
        clusters: Values per kernel of a scheme that shares them, 16 by default.
        verbose: Whether to print what is done.

    Returns:
        The file with its report; print it, evaluate it on test photos, save it.

    Raises:
        NotFittedError: If `recipe` is not fitted.
        ValueError: If a name is unknown, an argument is not usable or has no effect in this
            mode, the model cannot be quantized so, or Keras does not run on TensorFlow.
        DataError: If photos are missing, do not suit the model, or are those it was tested on.
        VerificationError: If the converted file is not what was asked for.
        MissingDependencyError: If the extra that the mode needs is not installed.
        KeyboardInterrupt: If interrupted in training.
    """
    training = {"val": val, "engine": engine, "epochs": epochs, "learning_rate": learning_rate}
    options = {"scheme": scheme, "sparsity": sparsity, "clusters": clusters}
    kept = {"keep_float": keep_float, "keep_int8": keep_int8}
    engine = _check_arguments(mode, train, kept, engine, training, options)
    refuse_other_data(recipe._fitted().modality, "`quantize`")
    if engine == "tfmot":
        check_probabilities(recipe, "The engine 'tfmot'", "Leave `engine` out.")
    photos, content, facts = None, None, dict[str, Any]()
    used: dict[str, str] = {}
    if mode in {"int8", "qat"}:
        photos = fit_photos(recipe, "train", train)
        used = on_side(photos, "calibration")
        if mode == "qat":
            _refuse_rounded(recipe.model_)
            chosen = fit_photos(recipe, "val", val)
            used |= on_side(chosen, "val")
            say(f"Training with the rounding of 8 bits on {len(photos)} photos.")
            how = epochs or EPOCHS, learning_rate or LEARNING_RATE, options
            recipe, content = ENGINES[engine](recipe, photos, chosen, *how)
    if content is None:
        content, facts = _written(recipe, mode, photos, kept)
    report = QuantizationReport.of_file(content, mode, **facts)
    say(str(report))
    return QuantizedModel(recipe, content, _quantization(mode), report, used)


def _check_arguments(
    mode: str,
    train: Examples | None,
    kept: dict,
    engine: str | None,
    training: dict,
    options: dict,
) -> str:
    from kerasrecipes.export.checks import check_backend

    check_backend("`quantize`")
    if mode not in MODES:
        raise unknown_name("mode", mode, MODES, "help(kerasrecipes.quantize)")
    if engine is not None and engine not in ENGINES:
        raise unknown_name("engine", engine, ENGINES, "help(kerasrecipes.quantize)")
    _refuse_idle(mode, {"train": train, **kept, **training, **options})
    for name, value in kept.items():
        if value is not None:
            check_keep_float(value, name, share=mode == "int8")
    if training["epochs"] is not None:
        check_epochs(training["epochs"])
    rate = training["learning_rate"]
    if rate is not None and not is_number(rate, 0, 10, above=True, below=True):
        raise ValueError(f"`learning_rate` must be above 0 and below 10, not {rate!r}.")
    if engine == "tfmot":
        from kerasrecipes.optimization.tfmot.training import checked_scheme

        checked_scheme(**options)
        return engine
    for name, value in options.items():
        if value is not None:
            raise ValueError(
                f"`{name}` has no effect with engine={engine or 'native'!r}. Leave it out, or pass "
                "engine='tfmot'."
            )
    return engine or "native"


def _refuse_idle(mode: str, arguments: dict) -> None:
    """Refuse arguments that only other modes look at."""
    for name, value in arguments.items():
        modes = USED_BY.get(name, ("qat",))
        if value is not None and mode not in modes:
            raise ValueError(
                f"`{name}` has no effect with mode={mode!r}. Leave it out, or choose "
                f"mode={modes[0]!r}."
            )


def _refuse_rounded(model: "keras.Model") -> None:
    from kerasrecipes.quantization.fake_quantization import is_quantization_aware

    if is_quantization_aware(model):
        raise ValueError(
            f"The model {model.name!r} was trained with rounding already. Pass mode='int8' to "
            "write its file, or the recipe that it was made from."
        )


def _quantization(mode: str) -> str:
    """Return what a mode is called in an export."""
    return "int8" if mode == "qat" else mode


def _written(
    recipe: "Recipe", mode: str, photos: Examples | None, kept: dict
) -> tuple[bytes, dict]:
    """Write the file; return its bytes, and what its report cannot read from it."""
    from kerasrecipes.export import get_format
    from kerasrecipes.quantization.fake_quantization import is_quantization_aware

    pixels = None
    facts: dict[str, Any] = {}
    if photos is not None:
        shape = tuple(recipe.model_.input.shape[1:])
        pixels = calibration_inputs(photos, shape, recipe.seed, model=recipe.model_)
    learnt_from = pixels if mode == "int8" else None
    if learnt_from is not None and not is_quantization_aware(recipe.model_):
        facts["outliers"] = find_range_outliers(recipe.model_, learnt_from)
    if learnt_from is not None and kept["keep_float"] is not None:
        names, facts["sensitivity"] = layers_to_keep(recipe.model_, learnt_from, kept["keep_float"])
        kept = {"keep_float": tuple(sorted(names)) or None}
        if facts["sensitivity"] is not None:
            say(str(facts["sensitivity"]))
    facts["kept"] = tuple(kept["keep_float"] or ())
    with TemporaryFolder() as folder:
        path = folder / "model.tflite"
        get_format("tflite").write(
            recipe.model_,
            path,
            quantization=_quantization(mode),
            calibration=pixels,
            **kept,
            contract=_contract(recipe, mode),
        )
        return path.read_bytes(), facts


def _contract(recipe: "Recipe", mode: str) -> "Contract":
    """What a file says of itself: its labels, where it comes from, how photos are decoded."""
    return recipe.fitted_.contract(f"{recipe.report_.name}, quantized as {mode}")


def train_with_rounding(
    recipe: "Recipe",
    train: Examples,
    val: Examples,
    epochs: int,
    learning_rate: float,
    callbacks: Sequence["keras.callbacks.Callback"] = (),
) -> "Recipe":
    """Train with layers of this package that round as the file does.

    Args:
        recipe: A fitted recipe; it stays as it is, and is the teacher.
        train: Photos to learn from.
        val: Photos to choose the weights by.
        epochs: Largest number of epochs.
        learning_rate: Its peak.
        callbacks: Further `keras.callbacks.Callback`s.

    Returns:
        A fitted recipe whose model exports as `"int8"` by its own ranges.

    Raises:
        ValueError: If the model cannot compute in 8 bits.
        DataError: If the photos do not suit the model, or change while it runs.
        KeyboardInterrupt: If interrupted.
    """
    from kerasrecipes.optimization.quantization_aware import make_quantization_aware

    checked_sides(recipe, train, val)
    shape = tuple(recipe.model_.input.shape[1:])
    pixels = calibration_inputs(train, shape, recipe.seed, model=recipe.model_)
    aware = make_quantization_aware(recipe.model_, pixels)
    model, stage = retrain(
        # Of 16 bits, the rounding to 8 that is learned would be another.
        replace(recipe, precision="float32"),
        aware,
        train,
        val,
        epochs=epochs,
        learning_rate=learning_rate,
        teacher=teacher_of(recipe),
        callbacks=callbacks,
        name="quantization-aware",
    )
    rounded = sum("Quantized" in type(layer).__name__ for layer in model.layers)
    step = {
        "name": "quantize",
        "summary": f"{rounded} layers train with the rounding of 8 bits.",
        "options": {"mode": "qat", "epochs": epochs, "learning_rate": learning_rate},
    }
    return refitted(recipe, model, train, val, step, [stage])


def _native(
    recipe: "Recipe",
    train: Examples,
    val: Examples,
    epochs: int,
    learning_rate: float,
    options: dict,
) -> "tuple[Recipe, None]":
    """Train with layers of this package; the file is that of the new model."""
    return train_with_rounding(recipe, train, val, epochs, learning_rate), None


def _tfmot(
    recipe: Any,
    train: Examples,
    val: Examples,
    epochs: int,
    learning_rate: float,
    options: dict,
) -> "tuple[Recipe, bytes]":
    """Train with TFMOT towards what the float model says, and convert what comes of it."""
    from kerasrecipes.export.tflite.tflite import finish
    from kerasrecipes.optimization.tfmot.training import (
        TwinTrainer,
        checked_scheme,
        train_for_int8,
    )

    checked_sides(recipe, train, val)
    if told := idle_sentence(settings_without_effect(recipe, teachers=True, tfmot=True)):
        say(told)
    targets = (1 - TEACHER_SHARE) * one_hot(train) + TEACHER_SHARE * recipe.predict(train)
    trainer = TwinTrainer(
        train,
        val,
        epochs=epochs,
        learning_rate=learning_rate,
        batch_size=recipe.batch_size,
        augment=recipe.augment,
        seed=recipe.seed,
        targets=targets,
    )
    scheme, sparsity, clusters = checked_scheme(**options)
    twin = train_for_int8(recipe.model_, trainer, scheme, sparsity=sparsity, clusters=clusters)
    contract = _contract(recipe, "qat")
    content = twin.convert(contract.output.name)
    return recipe, finish(content, recipe.model_, quantization="int8", contract=contract)


# Each trains a recipe on with simulated rounding, on photos to learn from and to choose by. It
# returns the recipe whose model is in the file, and the file, if it is not to be written from it.
ENGINES = {"native": _native, "tfmot": _tfmot}
