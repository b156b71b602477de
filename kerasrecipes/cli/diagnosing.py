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
    Slices,
    print_json,
    with_columns,
)
from kerasrecipes.errors import printable

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


@with_columns
def report(
    model: Model,
    to: Annotated[Path, typer.Option(help="The page.")] = Path("report.html"),
    photos: Annotated[
        Path | None, typer.Option(help="Show which of these photos to look at first, too.")
    ] = None,
    slices: Slices = None,
    stress: Annotated[
        bool, typer.Option("--stress", help="Add where it breaks on darker, blurred, … photos.")
    ] = False,
    over_time: Annotated[
        bool, typer.Option("--over-time", help="Add how well the past tells what comes later.")
    ] = False,
    export: Annotated[
        str | None, typer.Option(help="A page about this export alone, e.g. tflite-int8.")
    ] = None,
    backbone: AnyBackbone = None,
    card: Annotated[
        Path | None, typer.Option(help="Also write a model card for a hub, e.g. README.md.")
    ] = None,
) -> None:
    """Write a page about a saved model: its fit, and every file that was exported since."""
    from kerasrecipes.release.card import write_card
    from kerasrecipes.release.reporting import write_report

    if photos is None and slices:
        raise typer.BadParameter("there are no photos to cut. Name them with --photos.")
    for told, option in ((stress, "--stress"), (over_time, "--over-time")):
        if told and photos is None:
            raise typer.BadParameter("name --photos, too.", param_hint=f"'{option}'")
    sections = []
    if photos is not None:
        from kerasrecipes.diagnosis.gallery import page_sections

        more = {"stress": stress, "over_time": over_time}
        sections = page_sections(model, photos, slices or (), backbone, **more)
    print(f"Written to '{printable(write_report(model, to, export=export, sections=sections))}'.")
    if card is not None:
        print(
            f"Model card written to '{printable(write_card(model, card))}'. Fill in what it asks."
        )
