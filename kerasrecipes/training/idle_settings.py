"""Settings of a recipe that training on, or training by teachers, has no use for."""

from collections.abc import Mapping

# Setting → values that ask for nothing, and why others do not apply.
_ALWAYS = {
    "adapter": ((None,), "the weights themselves train"),
    "stochastic_depth": ((0,), "all branches take part"),
    "batch_norm": (("frozen", "train"), "statistics are not measured before it"),
    "devices": ((None,), "it runs on one device"),
}
_BY_TEACHERS = "the loss is that of distillation"
_WITH_TEACHERS = {
    "head": (("classification",), _BY_TEACHERS),
    "loss": ((None,), _BY_TEACHERS),
    "loss_options": ((None, {}), _BY_TEACHERS),
    "label_smoothing": ((None, 0), _BY_TEACHERS),
    "mix": ((None,), "teachers are asked about single photos"),
}
_NO_BLOCKS = "the model no longer has the layers of the backbone, by name"
_WITHOUT_BLOCKS = {
    "l2_sp": ((0,), _NO_BLOCKS),
    "adaptive_clip": ((None,), _NO_BLOCKS),
    "rematerialise": ((False,), _NO_BLOCKS),
    "precision": (("auto", "float32"), _NO_BLOCKS),
}
_PLAINLY = "TFMOT's training is plain Adam along a cosine"
# Values that a recipe has by default ask for nothing here.
_BY_TFMOT = {
    "views": ((4,), "each epoch shows another view"),
    "weight_decay": ((1e-2, 0), _PLAINLY),
    "l2_sp": ((0,), _PLAINLY),
    "clip_norm": ((None,), _PLAINLY),
    "adaptive_clip": ((None,), _PLAINLY),
    "accumulate": ((1,), _PLAINLY),
    "class_weights": (("auto", None), "all classes count alike"),
    "batch_norm": (("frozen",), "statistics are held still"),
    "patience": ((None,), "all epochs run"),
    "precision": (("auto", "float32"), "TFMOT trains in 32 bits"),
    "rematerialise": ((False,), _PLAINLY),
    "deterministic": ((False,), "TFMOT's operations are as they are"),
}


def settings_without_effect(
    recipe, teachers: bool, blocks: bool = True, tfmot: bool = False
) -> dict[str, str]:
    """Name what a recipe asks for and training a model on does not do.

    Args:
        recipe: An `ImageClassifier`.
        teachers: Whether it is trained by teachers, too.
        blocks: Whether the blocks of the recipe's backbone are found in the model.
        tfmot: Whether TFMOT trains it, through tf_keras.

    Returns:
        Each such setting, e.g. `"devices=2"` → why it does not apply.

    Example:
        >>> settings_without_effect(ImageClassifier(devices=2), teachers=False)
        {'devices=2': 'it runs on one device'}
    """
    table = _ALWAYS | (_WITH_TEACHERS if teachers else {}) | ({} if blocks else _WITHOUT_BLOCKS)
    table |= _BY_TFMOT if tfmot else {}
    return {
        f"{name}={getattr(recipe, name)!r}": why
        for name, (idle, why) in table.items()
        if getattr(recipe, name) not in idle
    }


def idle_sentence(idle: Mapping[str, str]) -> str:
    """Say in a sentence what `settings_without_effect` names, or return `""`.

    Args:
        idle: What it returned.

    Example:
        >>> idle_sentence({})
        ''
    """
    told = ", ".join(f"`{setting}` ({why})" for setting, why in idle.items())
    return f"Of the recipe's settings, these do not apply to training on: {told}." if idle else ""
