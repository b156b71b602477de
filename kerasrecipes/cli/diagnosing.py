"""Commands that say where a model and its labels go wrong."""

from pathlib import Path
from typing import Annotated

import typer

from kerasrecipes.cli.options import Backbone, Json, Photos, Seed, print_json

AModel = Annotated[
    Path | None,
    typer.Option(help="A saved model, to see its mistakes among photos that it has not learned."),
]


def mistakes(
    photos: Photos,
    model: AModel = None,
    backbone: Backbone = "efficientnet_lite0",
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Name the photos to look at first: likely wrong labels, copies that differ, odd ones."""
    from kerasrecipes.diagnosis.mistakes import find_mistakes

    found = find_mistakes(photos, model, backbone=backbone, seed=seed)
    print_json(found.to_dict()) if as_json else print(found)
