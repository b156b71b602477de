"""Commands that say where a model and its labels go wrong."""

from pathlib import Path
from typing import Annotated

import typer

from kerasrecipes.cli.options import (
    AnyBackbone,
    Json,
    Model,
    Photos,
    Seed,
    print_json,
    with_columns,
)

AModel = Annotated[
    Path | None,
    typer.Option(help="A saved model, to see its mistakes among photos that it has not learned."),
]


@with_columns
def mistakes(
    photos: Photos,
    model: AModel = None,
    backbone: AnyBackbone = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Name what to look at first: likely wrong labels, copies that differ, odd photos or texts."""
    from kerasrecipes.diagnosis.mistakes import find_mistakes

    found = find_mistakes(photos, model, backbone=backbone, seed=seed)
    print_json(found.to_dict()) if as_json else print(found)


@with_columns
def stress(
    model: Model,
    photos: Photos,
    export: Annotated[
        str | None, typer.Option(help="Which export to ask, e.g. tflite-int8; else Keras.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="How many photos to take, about.")] = 200,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Measure a saved model on photos that get darker, blurred, noisy, turned, compressed."""
    from kerasrecipes.diagnosis.stress import stress_bundle

    found = stress_bundle(model, photos, export=export, count=count, seed=seed)
    print_json(found.to_dict()) if as_json else print(found)


@with_columns
def over_time(
    photos: Photos,
    windows: Annotated[int, typer.Option(min=1, help="How many windows to judge.")] = 5,
    backbone: AnyBackbone = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Learn from the past alone, and judge each later window of time in turn."""
    from kerasrecipes.diagnosis.over_time import evaluate_over_time

    found = evaluate_over_time(photos, windows=windows, backbone=backbone, seed=seed)
    print_json(found.to_dict()) if as_json else print(found)
