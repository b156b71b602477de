"""Commands that train."""

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from kerasrecipes.cli.kinds import SIGNALS, ChosenRecipe, RecipeKind, TextColumn, kind_of
from kerasrecipes.cli.options import (
    FIT,
    ChosenTiles,
    FailOnLeak,
    Json,
    LabelsFrom,
    Photos,
    TopEpochs,
    Weights,
    print_json,
    scanned,
    with_options,
)
from kerasrecipes.cli.recipes import Assignments, Config, told_recipe
from kerasrecipes.errors import printable

ValFraction = Annotated[
    float, typer.Option(help="Share by which training is stopped and its best weights chosen.")
]
# What scan_photos is told of the settings of a split.
SCANNED = (
    "label", "labels", "value", "classes", "drop_small_classes", "labels_from", "fit", "channels",
    "dtype", "value_range",
)  # fmt: skip
Run = Annotated[
    Path | None,
    typer.Option(help="A folder that explains the run, and to resume from, e.g. runs/tiles."),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with the run in --run, to the same end.")
]
Callbacks = Annotated[
    list[str] | None,
    typer.Option(
        help="A callback by its name, as often as you like: OverfitMonitor, or one of a package "
        "of yours."
    ),
]


@with_options(
    FIT | {name: (kind, None) for name, kind in SIGNALS.items()} | {"tiles": (ChosenTiles, None)}
)
def train(
    context: typer.Context,
    photos: Photos,
    to: Annotated[Path, typer.Option(help="The model's folder, e.g. saved_models/tiles.")],
    recipe: ChosenRecipe = RecipeKind.IMAGES,
    weights: Weights = "default",
    text: TextColumn = None,
    test_fraction: Annotated[float, typer.Option(help="Share kept for the final test.")] = 0.2,
    val_fraction: ValFraction = 0.2,
    epochs: TopEpochs = None,
    labels_from: LabelsFrom = None,
    fail_on_leak: FailOnLeak = False,
    config: Config = None,
    assignments: Assignments = None,
    run: Run = None,
    resume: Resume = False,
    callback: Callbacks = None,
    **typed: Any,
) -> None:
    """Fine-tune a backbone on photos or texts, or train one on signals, evaluate it, and save it.

    With --run, the run keeps a recipe.toml that repeats it.
    """
    kind = kind_of(recipe)
    settings, split = told_recipe(context, config, assignments, kind.recipe, cuts=True)
    how: Any = {"epochs": epochs, "fail_on_leak": fail_on_leak, "callbacks": callback or ()}
    done = kind.fine_tune(photos, to, run_folder=run, resume=resume, **how, **settings, **split)
    _tell(done, photos, run, recipe)


def _tell(done: Any, photos: Path, run: Path | None, recipe: RecipeKind) -> None:
    from kerasrecipes.engine.run_folder import RECIPE

    folder = printable(done.bundle.folder)
    print(f"\nSaved to {folder}. The report: {folder}/report.html")
    smaller = " --quantization int8" if recipe.of_photos else ""
    print(f"Next: kerasrecipes export {folder} --format tflite{smaller}")
    if run is not None:
        words = ["kerasrecipes", "train", str(photos), "--config", str(run / RECIPE)]
        words += [] if recipe is RecipeKind.IMAGES else ["--recipe", recipe.value]
        print(f"To repeat it: {printable(shlex.join(words))} --to saved_models/…")
    if done.report.interrupted:
        raise typer.Exit(130)


@with_options(FIT)
def ablate(
    context: typer.Context,
    photos: Photos,
    epochs: TopEpochs = None,
    config: Config = None,
    assignments: Assignments = None,
    as_json: Json = False,
    **typed: Any,
) -> None:
    """Say what each part of the training is worth on photos, by leaving it out.

    Fits about a dozen recipes on three splits of the photos that are not for the test.
    """
    settings, split = told_recipe(context, config, assignments)
    from kerasrecipes.choosing.ablation import ablate_recipe
    from kerasrecipes.training.fine_tune import with_epochs
    from kerasrecipes.training.image_classifier import ImageClassifier

    recipe = ImageClassifier(**with_epochs(epochs, settings))
    columns = {name: split.pop(name) for name in SCANNED if name in split}
    group = {"group_by": split.pop("group_by", None)}
    chosen, how = scanned(photos, columns, **group)
    found = ablate_recipe(recipe, chosen, **how, **split)
    print_json(found.to_dict()) if as_json else print(found)
