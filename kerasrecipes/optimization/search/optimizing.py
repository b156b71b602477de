"""From budgets to a model: one call that tries, measures, picks and explains."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kerasrecipes.arguments import named
from kerasrecipes.console import heeds_verbose
from kerasrecipes.data.examples import Examples
from kerasrecipes.files import TemporaryFolder, locked_folder
from kerasrecipes.optimization.distilling import check_teacher
from kerasrecipes.optimization.search.limits import Limits
from kerasrecipes.optimization.search.plans import named_students
from kerasrecipes.optimization.search.result import OptimizationResult
from kerasrecipes.optimization.search.search import Search
from kerasrecipes.training.refitting import checked_sides

if TYPE_CHECKING:
    from kerasrecipes.training.recipe import Recipe


@named
@heeds_verbose
def optimize(
    recipe: "Recipe",
    train: Examples,
    val: Examples,
    *,
    max_drop: float = 0.01,
    max_size_mb: float | None = None,
    max_latency_ms: float | None = None,
    max_minutes: float = 30.0,
    students: Sequence = (),
    run_folder: str | Path | None = None,
    seed: int | None = None,
    verbose: bool = True,
) -> OptimizationResult:
    """Look for the smallest and fastest file of a fitted model that still does its job.

    What needs no training is tried first: the quantizations, and, where int8 costs accuracy, int8
    with the most sensitive layers in float. Then come `students`, fitted to
    what the model says; models with fewer channels, trained on with the larger one as their
    teacher; and, where rounding costs accuracy, training with it. Every candidate is a real
    `.tflite` file: its accuracy is that of its own answers to the validation photos, its
    latency was timed in turns with the float file. With a limit of size or latency the search
    ends as soon as the limits are kept; without, when nothing is left to try, or no time.

    Args:
        recipe: A fitted `ImageClassifier`, or one that was loaded; it stays as it is.
        train: Photos to learn from, those of the fit.
        val: Photos to judge by, never test photos: what is chosen by them looks a little
            better on them than elsewhere.
        max_drop: Largest drop of the accuracy, as a fraction. A candidate is judged by what
            was seen plus one standard error of the paired difference.
        max_size_mb: Largest size of the file, in millions of bytes; `None` for any.
        max_latency_ms: Longest median time for one photo on this machine, one thread; `None`
            for any.
        max_minutes: Time in all. Training is cut to fit; what does not fit is named.
        students: Recipes, not fitted, of smaller backbones, e.g.
            `[ImageClassifier("mobilenet_v3_small")]`; they train by their own schedules, cut to
            the time that there is.
        run_folder: Keeps records, files and models, so that the same call goes on after a break;
            `None` for a temporary one, gone with the result.
        seed: Seed of all that is drawn; `None` for the recipe's.
        verbose: Whether to print what is done, on stderr.

    Returns:
        What was found; print it. If no candidate keeps the limits, `pick` is `None` and
        `message` names the closest.

    Raises:
        NotFittedError: If `recipe` is not fitted.
        ValueError: If a limit or a student is not usable.
        DataError: If the photos do not suit the model, `run_folder` holds another search, or one
            is at work in it.
        VerificationError: If the model cannot be exported at all.
        OSError: If `run_folder` cannot be written.
        KeyboardInterrupt: If interrupted before anything was measured; afterwards what is
            there is returned.
    """
    limits = Limits(max_drop, max_size_mb=max_size_mb, max_latency_ms=max_latency_ms)
    if not isinstance(max_minutes, int | float) or not max_minutes > 0:
        raise ValueError(f"`max_minutes` must be above 0, not {max_minutes!r}.")
    named = named_students(students)
    for judged in named.values():
        check_teacher(recipe, judged)
    checked_sides(recipe, train, val)
    if seed is not None:
        recipe = _with_seed(recipe, seed)
    place, keep_alive = _place(run_folder)
    with locked_folder(place):
        search = Search(recipe, train, val, limits, 60 * max_minutes, place, named)
        search.run()
    return OptimizationResult(
        candidates=search.candidates,
        limits=limits,
        notes=search.notes,
        minutes=search.seconds / 60,
        photos=len(val),
        recipes=search.recipes,
        folder=place,
        keep_alive=keep_alive,
    )


def _place(run_folder: str | Path | None) -> tuple[Path, TemporaryFolder | None]:
    """Return where to keep records, files and models, and what lasts as long as that must."""
    if run_folder is not None:
        return Path(run_folder), None
    temporary = TemporaryFolder()
    return temporary.path, temporary


def _with_seed(recipe: "Recipe", seed: int) -> "Recipe":
    """Return a fitted recipe that is the same but for its seed."""
    return recipe.with_fitted(recipe.fitted_, seed=seed)
