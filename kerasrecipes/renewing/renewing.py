"""From new labels to a candidate that was compared with the model in use, and through gates."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kerasrecipes.arguments import named
from kerasrecipes.backbones import get_backbone
from kerasrecipes.bundles.aliases import read_aliases
from kerasrecipes.bundles.bundle import BundleFolder
from kerasrecipes.bundles.versions import is_bundle
from kerasrecipes.console import heeds_verbose, say
from kerasrecipes.data.examples import CLASS, Examples
from kerasrecipes.errors import DataError, NoEffectError, listed, printable, tell_besides
from kerasrecipes.heads import get_task
from kerasrecipes.promotion.gates import Gates
from kerasrecipes.promotion.promoting import PromotionRefused, gates_of, promote_version
from kerasrecipes.release.bundle import Bundle
from kerasrecipes.release.comparing import compare_bundles
from kerasrecipes.release.comparison import Comparison
from kerasrecipes.renewing.renewed import Renewed
from kerasrecipes.renewing.sides import TRAIN, Sides, stable_sides
from kerasrecipes.serve.predictor import chosen_export
from kerasrecipes.serve.review_queue import ReviewQueue
from kerasrecipes.statistics.estimate import Estimate
from kerasrecipes.training.keeping import check_room, kept_on_error, save_or_keep
from kerasrecipes.training.loading import load_recipe
from kerasrecipes.training.recipe import Recipe
from kerasrecipes.training.tiled.fitting import fit_tiles
from kerasrecipes.training.tiled.joining import tiling_of

CHAMPION, START = "the model in use", "pretrained weights"
WAYS = {"champion": CHAMPION, "start": START}


@named
@heeds_verbose
def retrain_model(
    model: str | Path,
    photos: Examples | str | Path,
    *,
    queue: str | Path | None = None,
    gates: Gates | str | Path | None = None,
    ways: tuple[str, ...] = ("champion", "start"),
    val_fraction: float = 0.2,
    test_fraction: float = 0.2,
    alias: str = "candidate",
    why: str = "",
    verbose: bool = True,
) -> Renewed:
    """Train a successor of a model with new labels, and let it be a candidate if the gates do.

    What the model in use was chosen by or tested on stays what it was, and is never trained on;
    new examples go by a hash of their group or file, for ever. Labels that `review` put right
    count, as in every scan.

    Args:
        model: The model's folder, e.g. `saved_models/tiles`. The version that the alias
            `champion` means is in use, or else the latest.
        photos: All labelled photos or texts, old and new: a folder, a table, or a scanned set.
        queue: What a server kept for people, e.g. `queue/tiles`: what they decided about is moved
            into `photos`, a folder of class folders then.
        gates: What a candidate must fulfil; see `promote_version`.
        ways: Where training begins: `"champion"` for what the model in use has learned, `"start"`
            for pretrained weights. Of several, validation examples choose.
        val_fraction: Share of new groups that are chosen by.
        test_fraction: Share of new groups that are measured on.
        alias: The alias that it gets. `"champion"` puts it to use at once.
        why: The reason, for the log.
        verbose: Whether to print progress.

    Returns:
        The candidate, what it learned and forgot, and what the gates say; print it.

    Raises:
        DataError: If there is no such model, or it names no class; or if its photos cannot be used.
        NoEffectError: If nothing is new to learn from.
        ValueError: If `ways` names something else, or the backbone of the model in use has no name
            that leads to it.
        OSError: If another such model will not fit on the disk.
    """
    if not ways or set(ways) - WAYS.keys() or len(set(ways)) < len(ways):
        raise ValueError(f"`ways` must be some of {listed(WAYS)}, each once. Received: {ways!r}.")
    gates_of(gates)  # not after the training
    champion = _in_use(Path(model))
    export = chosen_export(champion)
    check_room(Path(model), champion.manifest.size_bytes.get("model.keras", 0) // 4)
    if queue is not None:
        _take(queue, photos)
    sides = _sides(champion, photos, val_fraction, test_fraction)
    fitted, found, best = _fitted(champion, sides, ways, verbose)
    bundle = _saved(fitted, sides, Path(model))
    with _told_where(bundle):
        bundle.export(export.format, export.quantization)
        before, after = _compared(champion, bundle, sides)
        refused = _promoted(Path(model), bundle, alias, gates, why)
    return Renewed(
        bundle=bundle,
        champion=_name(champion),
        new=sides.new,
        ways={WAYS[way]: found[way] for way in ways},
        chosen=WAYS[best],
        before=before,
        after=after,
        refused=refused,
        alias=alias,
    )


def _take(queue: str | Path, photos: Examples | str | Path) -> None:
    if not isinstance(photos, str | Path):
        raise DataError(
            "`queue` moves photos into a folder, and `photos` is a set that was scanned already. "
            "Pass its folder."
        )
    taken = ReviewQueue(queue).take_decided(photos)
    say(
        f"Of the queue, {taken.moved} were moved into '{printable(photos)}'; {taken.removed} "
        "are of no use."
    )


def _in_use(model: Path) -> Bundle:
    known = read_aliases(model).aliases
    champion = Bundle.load(f"{model}@champion" if "champion" in known else model)
    if (backbone := champion.manifest.recipe.get("backbone")) is not None:
        get_backbone(backbone, champion.manifest.modality)  # not after the queue was taken
    return champion


def _sides(
    champion: Bundle, photos: Examples | str | Path, val_fraction: float, test_fraction: float
) -> Sides:
    """Split the examples, and refuse what there is nothing to learn from."""
    if get_task(champion.output.task).target != CLASS:
        raise DataError(
            f"'{printable(champion.folder)}' answers with no class, and a retraining compares "
            "classes. Train it again, and use compare and promote."
        )
    sides = stable_sides(champion.scan(photos), champion.seen(), val_fraction, test_fraction)
    if not sides.new[TRAIN]:
        raise NoEffectError(
            f"Nothing of {len(sides.train)} {sides.train.noun[1]} to train on is new to "
            f"'{printable(champion.folder)}'. Add some with labels."
        )
    return sides


def _fitted(
    champion: Bundle, sides: Sides, ways: tuple[str, ...], verbose: bool
) -> tuple[Recipe, dict[str, Estimate], str]:
    """Train from each beginning, and measure the one that validation examples choose."""
    fitted, found, tiles = {}, {}, tiling_of(champion.report())
    for way in ways:
        say(f"Training from {WAYS[way]}")
        begun = _begun(champion, way)
        if tiles is None:
            begun.fit(sides.train, sides.val, verbose=verbose)
        else:
            begun = fit_tiles(begun, sides.train, sides.val, tiles, verbose=verbose)
        fitted[way], found[way] = begun, begun.report_.evaluations["val"].headline
    best = max(ways, key=lambda way: found[way].value)
    return fitted[best], found, best


def _saved(fitted: Recipe, sides: Sides, model: Path) -> Bundle:
    if len(sides.test):
        with kept_on_error(fitted, model):
            fitted.evaluate(sides.test)
    bundle: Bundle = save_or_keep(fitted, model)
    return bundle


@contextmanager
def _told_where(bundle: Bundle) -> Iterator[None]:
    """Say where the trained model is if the block, which judges it, fails or is interrupted."""
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        tell_besides(error, f"The trained model itself is in '{printable(bundle.folder)}'.")
        raise


def _name(bundle: Bundle) -> str:
    return f"{bundle.folder.parent.name} {bundle.folder.name}"


def _begun(champion: Bundle, way: str) -> Recipe:
    """Return a recipe with the settings of the model in use."""
    kind = type(load_recipe(champion))
    config: dict[str, Any] = dict(champion.manifest.recipe)
    if way == "champion":
        config["weights"] = str(champion.folder / "model.keras")
    else:
        config["weights"] = _first_weights(champion)
    return kind.from_config(config)


def _first_weights(champion: BundleFolder) -> Any:
    """Return what the first of several versions started from, each of which began from another."""
    for parent in champion.manifest.parents:
        # Where it lies now: the path that the recipe tells may have been that of another folder.
        folder = champion.folder.parent / parent.model.rpartition(" ")[2]
        if is_bundle(folder) and (found := BundleFolder.load(folder)).sha256 == parent.sha256:
            return _first_weights(found)
    return champion.manifest.recipe.get("weights")


def _compared(
    champion: Bundle, bundle: Bundle, sides: Sides
) -> tuple[Comparison | None, Comparison | None]:
    seen = champion.seen()
    places: tuple[list[int], list[int]] = ([], [])
    for place, item in enumerate(sides.test.items):
        places[item.key not in seen].append(place)
    how = {"exported": True, "leave_out_seen": True}
    before, after = (
        compare_bundles(champion, bundle, sides.test.select(some), **how) if some else None
        for some in places
    )
    return before, after


def _promoted(
    model: Path, bundle: Bundle, alias: str, gates: Gates | str | Path | None, why: str
) -> str:
    """Let the version have the alias; return what is against it."""
    try:
        promote_version(model, int(bundle.folder.name), alias=alias, gates=gates, why=why)
    except PromotionRefused as refused:
        return str(refused)
    return ""
