"""Commands that say which version of a model is in use, and how that came."""

from pathlib import Path
from typing import Annotated

import typer

from kerasrecipes.cli.options import Json, Model, print_json, with_columns
from kerasrecipes.errors import printable

ModelFolder = Annotated[Path, typer.Argument(help="A model's folder, e.g. saved_models/tiles.")]
Alias = Annotated[str, typer.Option("--as", help="The alias, e.g. champion or candidate.")]
Who = Annotated[
    str | None, typer.Option(help="Who does it, for the log; else the name of this user.")
]
Why = Annotated[str, typer.Option(help="The reason, for the log.")]


def promote(
    model: ModelFolder,
    version: Annotated[int, typer.Argument(help="The number of the version.")],
    alias: Alias = "champion",
    gates: Annotated[
        Path | None, typer.Option(help="A TOML file of what is asked, e.g. gates.toml.")
    ] = None,
    who: Who = None,
    why: Why = "",
    as_json: Json = False,
) -> None:
    """Let an alias mean a version of a model, if it passes the gates.

    Its files and golden vectors are checked in any case. Exits with 3 if it does not pass.
    """
    from kerasrecipes.promotion.promoting import promote_version

    found = promote_version(model, version, alias=alias, gates=gates, who=who, why=why)
    print_json(found.to_dict()) if as_json else print(found)


def rollback(
    model: ModelFolder,
    alias: Alias = "champion",
    who: Who = None,
    why: Why = "",
    as_json: Json = False,
) -> None:
    """Let an alias mean the version again that it meant before, at once."""
    from kerasrecipes.promotion.promoting import roll_back

    found = roll_back(model, alias=alias, who=who, why=why)
    print_json(found.to_dict()) if as_json else print(found)


def history(model: ModelFolder, as_json: Json = False) -> None:
    """Tell what the aliases of a model mean, who changed them and why.

    Exits with 4 if the log was changed.
    """
    from kerasrecipes.promotion.history import model_history

    found = model_history(model)
    print_json(found.to_dict()) if as_json else print(found)


def diff(
    before: Model,
    after: Annotated[Path, typer.Argument(help="Another version, or its number.")],
    as_json: Json = False,
) -> None:
    """Tell what differs between two versions: data, settings, numbers and files."""
    from kerasrecipes.promotion.difference import diff_versions

    beside = str(after).isdigit() and not after.exists()
    found = diff_versions(before, before.parent / after if beside else after)
    print_json(found.to_dict()) if as_json else print(found)


def check(
    model: Model,
    photos: Annotated[
        Path | None,
        typer.Argument(help="Labelled photos that it has not seen; else those the budget names."),
    ] = None,
    budget: Annotated[
        Path | None, typer.Option(help="A TOML file of what is asked, as gates are.")
    ] = None,
    champion: Annotated[
        Path | None,
        typer.Option(help="It must not be worse than this, e.g. saved_models/tiles@champion."),
    ] = None,
    junit: Annotated[Path | None, typer.Option(help="Write JUnit's XML, too.")] = None,
    markdown: Annotated[
        Path | None, typer.Option(help="Write Markdown, too, e.g. for a pull request.")
    ] = None,
    workflow: Annotated[
        Path | None,
        typer.Option(help="Write a workflow that does this in CI: a .github/… or .gitlab… file."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Ask of a saved model what a budget asks; for CI.

    Exits with 3 if something does not hold, with 4 if a file was changed.
    """
    from kerasrecipes.files import write_whole
    from kerasrecipes.promotion.checking import check_bundle
    from kerasrecipes.promotion.workflows import write_workflow

    if workflow is not None:
        write_workflow(workflow, model, photos, budget, champion)
        return print(f"Written to '{printable(workflow)}'. Read it, and commit it.")
    if budget is None:
        raise typer.BadParameter("name a file, e.g. budget.toml.", param_hint="'--budget'")
    found = check_bundle(model, photos, budget=budget, champion=champion)
    for path, text in ((junit, found.junit()), (markdown, found.markdown())):
        if path is not None:
            write_whole(path, text.encode())
    print_json(found.to_dict()) if as_json else print(found)
    if not found.passed:
        raise typer.Exit(found.exit_code)


def bom(
    model: Model,
    to: Annotated[Path, typer.Option(help="The new file, e.g. bom.json.")],
) -> None:
    """Write what a version is made of as a CycloneDX ML-BOM: digests, data, weights, libraries."""
    from kerasrecipes.promotion.bom import write_bom

    print(f"Written to '{printable(write_bom(model, to))}'.")


@with_columns
def retrain(
    model: ModelFolder,
    photos: Annotated[Path, typer.Argument(help="All labelled photos or texts, old and new.")],
    gates: Annotated[
        Path | None, typer.Option(help="A TOML file of what the candidate must fulfil.")
    ] = None,
    queue: Annotated[
        Path | None,
        typer.Option(help="Take over what people decided about of what a server kept here."),
    ] = None,
    begin: Annotated[
        str, typer.Option(help="Where training begins: champion, start, or both, compared.")
    ] = "both",
    alias: Alias = "candidate",
    why: Why = "",
    as_json: Json = False,
) -> None:
    """Train a successor with new labels, compare it, and let it be a candidate if the gates do.

    Exits with 3 if they do not.
    """
    from kerasrecipes.renewing.renewing import retrain_model

    ways = ("champion", "start") if begin == "both" else (begin,)
    found = retrain_model(model, photos, queue=queue, gates=gates, ways=ways, alias=alias, why=why)
    print_json(found.to_dict()) if as_json else print(found)
    if not found.passed:
        raise typer.Exit(3)
