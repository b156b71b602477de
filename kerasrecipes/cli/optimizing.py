"""Commands that make another model, smaller and faster, of a saved one."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kerasrecipes.cli.options import (
    Augment,
    Backbone,
    Json,
    KeepFloat,
    Model,
    Photos,
    Seed,
    Side,
    TopEpochs,
    Weights,
    print_json,
    with_columns,
)
from kerasrecipes.cli.recipes import Assignments, Config, told_recipe
from kerasrecipes.errors import printable

if TYPE_CHECKING:
    from kerasrecipes.data.examples import Examples
    from kerasrecipes.training.recipe import Recipe

MaxDrop = Annotated[float, typer.Option(help="Accuracy that may be lost, e.g. 0.01 for one point.")]
MaxMb = Annotated[float | None, typer.Option(help="Largest file, in MB.")]
MaxMs = Annotated[
    float | None, typer.Option(help="Longest time for one photo here, in ms, one thread.")
]
To = Annotated[
    Path | None, typer.Option(help="Folder of the new model; else the model's with _small.")
]
NewFolder = Annotated[Path, typer.Option("--to", help="Folder of the new model.")]
Epochs = Annotated[int | None, typer.Option(help="Epochs of training.")]
Student = Annotated[
    list[str] | None,
    typer.Option(
        help="A smaller backbone to fit to what the model says, as often as you like; see "
        "`kerasrecipes ls`."
    ),
]
ModelSeed = Annotated[
    int | None,
    typer.Option(min=0, max=2**31 - 1, help="Seed of everything that is drawn; else the model's."),
]
Run = Annotated[
    Path | None,
    typer.Option(help="Keeps the search, so that the same command goes on after a break."),
]


@with_columns
def optimize(
    model: Model,
    photos: Photos,
    max_drop: MaxDrop = 0.01,
    max_mb: MaxMb = None,
    max_ms: MaxMs = None,
    max_minutes: Annotated[float, typer.Option(help="Time for the search.")] = 30.0,
    student: Student = None,
    seed: ModelSeed = None,
    to: To = None,
    run: Run = None,
    as_json: Json = False,
) -> None:
    """Make a saved model smaller and faster within budgets, and prove it on the real file.

    Photos of the model's own fit are recognised; all others are only for the final test.
    Exits with 3, and saves nothing, if the budgets cannot be kept.
    """
    from kerasrecipes.optimization.bundle_optimization import optimize_bundle

    done = optimize_bundle(
        model,
        photos,
        to,
        max_drop=max_drop,
        max_size_mb=max_mb,
        max_latency_ms=max_ms,
        max_minutes=max_minutes,
        students=student or (),
        seed=seed,
        run_folder=run,
    )
    _tell(done, as_json)
    if done.bundle is None:
        raise typer.Exit(3)


@with_columns
def prune_saved(
    model: Model,
    photos: Photos,
    to: NewFolder,
    channels: Annotated[
        float | None, typer.Option(help="Fraction of the channels that go, e.g. 0.5.")
    ] = None,
    max_multiply_adds: Annotated[
        float | None, typer.Option(help="Or: fraction of the arithmetic that may be left.")
    ] = None,
    sparsity: Annotated[
        float | None, typer.Option(help="Or: fraction of the weights that become zero.")
    ] = None,
    epochs: Epochs = None,
    as_json: Json = False,
) -> None:
    """Take channels or weights away from a saved model, and train the rest on.

    Photos of the model's own fit are recognised; all others are only for the final test.
    """
    from kerasrecipes.optimization.bundle_optimization import remake_bundle
    from kerasrecipes.optimization.pruning import prune

    options: dict[str, Any] = {
        "channels": channels,
        "max_multiply_adds": max_multiply_adds,
        "sparsity": sparsity,
    }
    options |= {} if epochs is None else {"epochs": epochs}
    _tell(remake_bundle(model, photos, to, partial(prune, **options)), as_json)


@with_columns
def quantize_saved(
    model: Model,
    photos: Photos,
    to: NewFolder,
    mode: Annotated[str, typer.Option(help="float16, dynamic, int8, int4 or qat.")] = "qat",
    engine: Annotated[
        str | None, typer.Option(help="Who simulates the rounding of qat: native or tfmot.")
    ] = None,
    keep_float: KeepFloat = None,
    epochs: Epochs = None,
    as_json: Json = False,
) -> None:
    """Round a saved model's numbers; by default, train it on with the rounding first.

    Photos of the model's own fit are recognised; all others are only for the final test.
    """
    from kerasrecipes.optimization.bundle_optimization import remake_bundle
    from kerasrecipes.optimization.quantizing import quantize

    def rounded(recipe: "Recipe", train: "Examples", val: "Examples") -> Any:
        return quantize(recipe, mode, keep_float=keep_float, engine=engine, epochs=epochs)

    _tell(remake_bundle(model, photos, to, rounded), as_json)


@with_columns
def distil_saved(
    context: typer.Context,
    model: Model,
    photos: Photos,
    to: NewFolder,
    backbone: Backbone,
    image_size: Side = None,
    weights: Weights = "default",
    epochs: TopEpochs = None,
    augment: Annotated[Augment, typer.Option(help="How views differ.")] = Augment.LIGHT,
    seed: Seed = 0,
    config: Config = None,
    assignments: Assignments = None,
    as_json: Json = False,
) -> None:
    """Teach another backbone what a saved model says about its photos.

    Photos of the model's own fit are recognised; all others are only for the final test.
    """
    settings, _ = told_recipe(context, config, assignments)
    from kerasrecipes.optimization.bundle_optimization import remake_bundle, same_question
    from kerasrecipes.optimization.distilling import check_student, check_teacher, teach
    from kerasrecipes.release.bundle import Bundle
    from kerasrecipes.training.fine_tune import with_epochs
    from kerasrecipes.training.image_classifier import ImageClassifier
    from kerasrecipes.training.refitting import REMAKING, refuse_other_data

    manifest = Bundle.load(model).manifest
    refuse_other_data(manifest.modality, REMAKING)
    same = same_question(manifest.recipe)
    student = check_student(ImageClassifier(**{**same, **with_epochs(epochs, settings)}))

    def taught(teacher: "Recipe", train: "Examples", val: "Examples") -> Any:
        check_teacher(teacher, student)
        return teach([teacher], student, train, val)

    _tell(remake_bundle(model, photos, to, taught), as_json)


def _tell(done: Any, as_json: bool) -> None:
    if as_json:
        return print_json(done.to_dict())
    print(done)
    if done.bundle is not None:
        folder = printable(done.bundle.folder)
        files = " with its file" if done.bundle.exports() else ""
        print(f"\nSaved to {folder}{files}. The report: {folder}/report.html")
