"""The command line: the same verbs, defaults and messages as in Python.

Nothing heavy is imported before a command runs, so that `--help`, `ls`, `predict` and
`verify` answer at once; the last two never need tensorflow.
"""

import json
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from kerasrecipes.errors import KerasRecipesError, listed, printable

app = typer.Typer(
    name="kerasrecipes",
    help="A folder of photos goes in, a verified model on a phone comes out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Model = Annotated[
    Path, typer.Argument(help="A model folder (its latest version is used) or one version of it.")
]
Photos = Annotated[
    Path, typer.Argument(help="A folder with one folder per class, or a CSV or JSONL table.")
]
GroupBy = Annotated[
    str | None,
    typer.Option(
        help="What photos of one part share: a column of the table, 'folder', or a regular "
        "expression with one (group) over the path. A group is never on two sides of a split."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Backbone = Annotated[
    str, typer.Option(help="A backbone that `kerasrecipes ls` names, or hub:… or cv:….")
]
Side = Annotated[
    int | None,
    typer.Option(
        min=16,
        max=2048,
        help="Side of the square that photos are resized to; else the backbone's.",
    ),
]
Weights = Annotated[
    str, typer.Option(help="default, imagenet (a download), none, or a local file.")
]
Seed = Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Seed of everything that is drawn.")]


class SplitBy(StrEnum):
    """How to split photos."""

    AUTO = "auto"
    RANDOM = "random"
    GROUP = "group"
    TIME = "time"


class Augment(StrEnum):
    """Augmentation presets."""

    NONE = "none"
    LIGHT = "light"
    FACTORY = "factory"


@app.command("ls")
def list_everything(as_json: Json = False) -> None:
    """List backbones, recipes and export formats."""
    from kerasrecipes.backbones import get_backbone, list_backbones
    from kerasrecipes.export import get_format, list_formats
    from kerasrecipes.templates import list_recipes

    found = {
        "backbones": {name: get_backbone(name).summary for name in list_backbones()},
        "recipes": list_recipes(),
        "formats": {
            name: f"{get_format(name).summary} ({', '.join(get_format(name).quantizations)})"
            for name in list_formats()
        },
    }
    if as_json:
        return _print_json(found)
    width = max(len(name) for entries in found.values() for name in entries)
    for kind, entries in found.items():
        print(f"{kind}:")
        for name, summary in entries.items():
            print(f"  {name:<{width}}  {summary}")


@app.command("cp")
def copy(
    recipe: Annotated[str, typer.Argument(help="A recipe that `kerasrecipes ls` names.")],
    to: Annotated[Path, typer.Argument(help="The new folder.")],
) -> None:
    """Copy a recipe into a folder of your own, to be edited."""
    from kerasrecipes.templates import copy_recipe

    folder = copy_recipe(recipe, to)
    print(f"Copied to '{folder}': {listed(sorted(p.name for p in folder.iterdir()))}.")


@app.command()
def doctor(
    photos: Photos,
    group_by: GroupBy = None,
    split: Annotated[
        SplitBy | None, typer.Option(help="Also make this split, and judge it for leaks.")
    ] = None,
    seed: Seed = 0,
    fail_on_leak: Annotated[
        bool, typer.Option("--fail-on-leak", help="Exit with 1 if a split leaks.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Say what is in a folder of photos, and what is wrong with it.

    Exits with 1 if there is an error among the findings.
    """
    from dataclasses import replace

    from kerasrecipes.data.check import check_photos
    from kerasrecipes.data.scan import scan_photos
    from kerasrecipes.data.split import split_photos

    found = scan_photos(photos, group_by=group_by, max_unreadable_fraction=1.0)
    if fail_on_leak and split is None and not any(photo.split for photo in found.photos):
        raise typer.BadParameter(
            "there is no split that could leak. Add e.g. --split auto.",
            param_hint="'--fail-on-leak'",
        )
    sets = (found,)
    if split is not None:
        train, val, test = split_photos(found, by=split.value, seed=seed)
        sets = (replace(train, excluded=found.excluded, ignored=found.ignored), val, test)
    report = check_photos(*sets)
    _print_json(report.to_dict()) if as_json else print(report)
    if not report.ok or (fail_on_leak and report.leaks):
        raise typer.Exit(1)


@app.command()
def train(
    photos: Photos,
    to: Annotated[Path, typer.Option(help="The model's folder, e.g. saved_models/tiles.")],
    backbone: Backbone = "efficientnet_lite0",
    image_size: Side = None,
    weights: Weights = "default",
    group_by: GroupBy = None,
    split_by: Annotated[SplitBy, typer.Option(help="How to split.")] = SplitBy.AUTO,
    test_fraction: Annotated[float, typer.Option(help="Share kept for the final test.")] = 0.2,
    val_fraction: Annotated[float, typer.Option(help="Share to choose the weights by.")] = 0.2,
    epochs: Annotated[int | None, typer.Option(help="Epochs with open blocks.")] = None,
    augment: Annotated[Augment, typer.Option(help="How views differ.")] = Augment.LIGHT,
    seed: Seed = 0,
    fail_on_leak: Annotated[
        bool, typer.Option("--fail-on-leak", help="Stop if the split leaks.")
    ] = False,
) -> None:
    """Fine-tune a backbone on photos, evaluate it, and save it."""
    from kerasrecipes.training.fine_tune import fine_tune_images

    done = fine_tune_images(
        photos,
        to,
        backbone=backbone,
        image_size=None if image_size is None else (image_size, image_size),
        weights=None if weights == "none" else weights,
        group_by=group_by,
        split_by=split_by.value,
        test_fraction=test_fraction,
        val_fraction=val_fraction,
        epochs=epochs,
        augment=augment.value,
        seed=seed,
        fail_on_leak=fail_on_leak,
    )
    folder = printable(done.bundle.folder)
    print(f"\nSaved to {folder}. The report: {folder}/report.html")
    print(f"Next: kerasrecipes export {folder} --format tflite --quantization int8")
    if done.report.interrupted:
        raise typer.Exit(130)


@app.command()
def evaluate(model: Model, photos: Photos, as_json: Json = False) -> None:
    """Measure a saved model on photos that it did not train on."""
    from kerasrecipes.training.bundle_evaluation import evaluate_bundle

    found = evaluate_bundle(model, photos)
    if as_json:
        return _print_json(found.to_dict())
    print(found)


@app.command("export")
def export_saved(
    model: Model,
    format: Annotated[str, typer.Option(help="A format that `kerasrecipes ls` names.")] = "tflite",
    quantization: Annotated[
        str, typer.Option(help="float32, float16, dynamic or int8.")
    ] = "float32",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an export of the same name.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write a saved model for a phone, and prove that the file is the same model.

    Exits with 3, and keeps the file out of the model's folder, if it is not.
    """
    from kerasrecipes.bundle import Bundle
    from kerasrecipes.verify import Verification

    record = Bundle.load(model).export(format, quantization, overwrite=overwrite)
    if as_json:
        return _print_json(record.to_dict())
    print(f"{Verification.from_dict(record.verification)}\nWritten to {printable(record.path)}")


@app.command("verify")
def verify_saved(model: Model, as_json: Json = False) -> None:
    """Check a saved model's files and run its exports on its golden photos again.

    Exits with 3 if an export misses its tolerance, with 4 if a file was changed.
    """
    from kerasrecipes.verify import verify_bundle

    found = verify_bundle(model)
    if as_json:
        _print_json([verification.to_dict() for verification in found])
    else:
        print("\n".join(map(str, found)))
    if not all(verification.passed for verification in found):
        raise typer.Exit(3)


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="A model folder, or a .tflite file.")],
    photos: Annotated[list[Path], typer.Argument(help="Photos, and folders of photos.")],
    export: Annotated[
        str | None, typer.Option(help="Which export, e.g. tflite-float32; else the smallest.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what photos show, by the exported file, without tensorflow.

    Exits with 1 if a photo could not be used.
    """
    from kerasrecipes.serve.predictor import Predictor

    failed = False
    for found in Predictor(model, export=export).iterate(photos):
        failed |= bool(found.error)
        if as_json:
            print(json.dumps(found.to_dict()), flush=True)
        elif found.error:
            print(f"{printable(found.path)}: {printable(found.error)}", file=sys.stderr)
        else:
            print(f"{found.score:6.1%}  {printable(found.label)}  {printable(found.path)}")
    if failed:
        raise typer.Exit(1)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; set KERASRECIPES_DEBUG=1 to see where an error came from.

    Args:
        arguments: What would be typed after `kerasrecipes`; `None` for `sys.argv`.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # A name that is no valid text must not stop the printing of a result.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a closed stream is None, a notebook's has none
            stream.reconfigure(errors="backslashreplace")
    try:
        app(arguments, prog_name="kerasrecipes")
    except SystemExit as end:
        if _was_interrupted(end):
            print("\nInterrupted; nothing was saved.", file=sys.stderr)
        raise
    except (KerasRecipesError, ValueError, OSError) as error:
        if os.environ.get("KERASRECIPES_DEBUG"):
            raise
        print(f"{type(error).__name__}: {_message(error)}", file=sys.stderr)
        sys.exit(getattr(error, "exit_code", 1))


def _was_interrupted(error: BaseException | None) -> bool:
    """Tell whether Ctrl-C is behind an exit; typer says nothing about it."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _message(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror + (f": '{printable(error.filename)}'" if error.filename else "")
    return str(error)


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2))
