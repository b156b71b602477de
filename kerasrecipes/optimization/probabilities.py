"""What needs a model whose answers are probabilities of one class each."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kerasrecipes.training.recipe import Recipe


def check_probabilities(recipe: "Recipe", what: str, instead: str) -> None:
    """Refuse a model that answers something else, before any work.

    Args:
        recipe: A fitted recipe.
        what: What needs them, e.g. `"Distilling"`.
        instead: What to do.

    Raises:
        NotFittedError: If `recipe` is not fitted.
        ValueError: If its answers are no such probabilities.
    """
    task = recipe.output_.task
    if task != "classification":
        raise ValueError(
            f"{what} passes on the probabilities of classes, and this model learned the task "
            f"{task!r}, whose answers are something else. {instead}"
        )
