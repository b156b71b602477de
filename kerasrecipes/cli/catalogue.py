"""Commands about what there is to use: backbones, recipes, formats."""

from pathlib import Path
from typing import Annotated

import typer

from kerasrecipes.cli.options import Json, print_json
from kerasrecipes.errors import listed


def list_everything(as_json: Json = False) -> None:
    """List backbones, recipes and export formats."""
    from kerasrecipes.backbones import usable_backbones
    from kerasrecipes.export import usable_formats
    from kerasrecipes.templates import list_recipes

    found = {
        "backbones": {name: spec.summary for name, spec in usable_backbones().items()},
        "recipes": list_recipes(),
        "formats": {
            name: f"{format.summary} ({', '.join(format.quantizations)})"
            for name, format in usable_formats().items()
        },
    }
    if as_json:
        return print_json(found)
    width = max(len(name) for entries in found.values() for name in entries)
    for kind, entries in found.items():
        print(f"{kind}:")
        for name, summary in entries.items():
            print(f"  {name:<{width}}  {summary}")


def copy(
    recipe: Annotated[str, typer.Argument(help="A recipe that `kerasrecipes ls` names.")],
    to: Annotated[Path, typer.Argument(help="The new folder.")],
) -> None:
    """Copy a recipe into a folder of your own, to be edited."""
    from kerasrecipes.templates import copy_recipe

    folder = copy_recipe(recipe, to)
    print(f"Copied to '{folder}': {listed(sorted(p.name for p in folder.iterdir()))}.")
