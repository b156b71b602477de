"""The command that makes saved models smaller and faster."""

from pathlib import Path
from typing import Annotated

import typer

from kerasrecipes.cli.options import Json, Model, Photos, print_json
from kerasrecipes.errors import printable

MaxDrop = Annotated[float, typer.Option(help="Accuracy that may be lost, e.g. 0.01 for one point.")]
MaxMb = Annotated[float | None, typer.Option(help="Largest file, in MB.")]
MaxMs = Annotated[
    float | None, typer.Option(help="Longest time for one photo here, in ms, one thread.")
]
To = Annotated[
    Path | None, typer.Option(help="Folder of the new model; else the model's with _small.")
]
Run = Annotated[
    Path | None,
    typer.Option(help="Keeps the search, so that the same command goes on after a break."),
]


def optimize(
    model: Model,
    photos: Photos,
    max_drop: MaxDrop = 0.01,
    max_mb: MaxMb = None,
    max_ms: MaxMs = None,
    max_minutes: Annotated[float, typer.Option(help="Time for the search.")] = 30.0,
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
        folder=run,
    )
    if as_json:
        print_json(done.to_dict())
    else:
        print(done)
        if done.bundle is not None:
            folder = printable(done.bundle.folder)
            print(f"\nSaved to {folder} with its file. The report: {folder}/report.html")
    if done.bundle is None:
        raise typer.Exit(3)
