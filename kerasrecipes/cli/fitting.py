"""Commands that train."""

from pathlib import Path
from typing import Annotated

import typer

from kerasrecipes.cli.options import (
    Augment,
    Backbone,
    ChosenLoss,
    DropSmallClasses,
    FailOnLeak,
    GroupBy,
    Json,
    Photos,
    Seed,
    Side,
    SplitBy,
    TopEpochs,
    Weights,
    print_json,
    recipe_settings,
)
from kerasrecipes.errors import printable

ValFraction = Annotated[
    float, typer.Option(help="Share by which training is stopped and its best weights chosen.")
]
Run = Annotated[
    Path | None,
    typer.Option(help="A folder that explains the run, and to resume from, e.g. runs/tiles."),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with the run in --run, to the same end.")
]


def train(
    photos: Photos,
    to: Annotated[Path, typer.Option(help="The model's folder, e.g. saved_models/tiles.")],
    backbone: Backbone = "efficientnet_lite0",
    image_size: Side = None,
    weights: Weights = "default",
    group_by: GroupBy = None,
    split_by: Annotated[SplitBy, typer.Option(help="How to split.")] = SplitBy.AUTO,
    test_fraction: Annotated[float, typer.Option(help="Share kept for the final test.")] = 0.2,
    val_fraction: ValFraction = 0.2,
    epochs: TopEpochs = None,
    augment: Annotated[Augment, typer.Option(help="How views differ.")] = Augment.LIGHT,
    loss: ChosenLoss = None,
    seed: Seed = 0,
    drop_small_classes: DropSmallClasses = False,
    fail_on_leak: FailOnLeak = False,
    run: Run = None,
    resume: Resume = False,
) -> None:
    """Fine-tune a backbone on photos, evaluate it, and save it."""
    from kerasrecipes.training.fine_tune import fine_tune_images

    done = fine_tune_images(
        photos,
        to,
        backbone=backbone,
        group_by=group_by,
        split_by=split_by.value,
        test_fraction=test_fraction,
        val_fraction=val_fraction,
        epochs=epochs,
        drop_small_classes=drop_small_classes,
        fail_on_leak=fail_on_leak,
        run_folder=run,
        resume=resume,
        **recipe_settings(image_size, augment, seed, weights, loss),
    )
    _tell(done)


def _tell(done) -> None:
    folder = printable(done.bundle.folder)
    print(f"\nSaved to {folder}. The report: {folder}/report.html")
    print(f"Next: kerasrecipes export {folder} --format tflite --quantization int8")
    if done.report.interrupted:
        raise typer.Exit(130)


def ablate(
    photos: Photos,
    backbone: Backbone = "efficientnet_lite0",
    image_size: Side = None,
    group_by: GroupBy = None,
    split_by: Annotated[SplitBy, typer.Option(help="How to split.")] = SplitBy.AUTO,
    epochs: TopEpochs = None,
    augment: Annotated[Augment, typer.Option(help="How views differ.")] = Augment.LIGHT,
    loss: ChosenLoss = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Say what each part of the training is worth on photos, by leaving it out.

    Fits about a dozen recipes on three splits of the photos that are not for the test.
    """
    from kerasrecipes.choosing.ablation import ablate_recipe
    from kerasrecipes.engine.schedule import UnfreezeSchedule
    from kerasrecipes.training.image_classifier import ImageClassifier

    recipe = ImageClassifier(
        backbone,
        schedule=None if epochs is None else UnfreezeSchedule.two_phase(epochs),
        **recipe_settings(image_size, augment, seed, loss=loss),
    )
    found = ablate_recipe(recipe, photos, group_by=group_by, split_by=split_by.value)
    print_json(found.to_dict()) if as_json else print(found)
