"""What a photo set gains from each part of a recipe: one thing changed at a time."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.bundles.first_weights import seen_through
from kerasrecipes.choosing.bench import Bench, scanned
from kerasrecipes.console import heeds_verbose, quiet, say
from kerasrecipes.data.examples import CLASS, Examples
from kerasrecipes.data.inference import predict_scores
from kerasrecipes.data.seen import refuse_seen
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.errors import DataError, NoEffectError, printable
from kerasrecipes.evaluation.task import Task
from kerasrecipes.heads.classification import CLASSIFICATION
from kerasrecipes.photos.photo_set import PhotoSet
from kerasrecipes.settings.judging import Judged, judge_recipe
from kerasrecipes.settings.setting import usual_changes
from kerasrecipes.statistics.clustered import clustered_error
from kerasrecipes.statistics.estimate import encode_float
from kerasrecipes.statistics.shown import Part, Shown, of_groups
from kerasrecipes.statistics.tables import Table
from kerasrecipes.training.fitting import fit_classifier
from kerasrecipes.training.image_classifier import ImageClassifier
from kerasrecipes.training.refitting import refuse_other_data

AS_IT_IS = "as it is"
_HEADS = {"balanced_accuracy": "balanced", "log_loss": "log-loss"}


@dataclass(frozen=True)
class AblationRow:
    """One recipe, fitted on several splits.

    Args:
        name: What was changed.
        figures: Name to mean over the splits, on the validation photos: for classes `accuracy`,
            `balanced_accuracy` and `log_loss`. By the last one recipes are compared.
        difference: That of the change minus that of the recipe as it is, mean over the splits.
        interval: Its 95 % interval, by Student's t over the splits; NaN with one split. Where
            groups are declared, also by the groups of the photos that judge: the wider of both.
    """

    name: str
    figures: Mapping[str, float]
    difference: float
    interval: tuple[float, float]

    @property
    def verdict(self) -> str:
        """What the interval says of the change, in two words."""
        low, high = self.interval
        if self.name == AS_IT_IS:
            return ""
        return "is better" if high < 0 else "is worse" if low > 0 else "cannot tell"


@dataclass(frozen=True)
class Ablation(Shown):
    """The rows of an ablation; print it.

    Args:
        rows: The recipe as it is, then one row per change.
        splits: On how many splits each was fitted.
        photos: Number of photos; test photos are not among them.
        groups: Number of groups, of parts and look-alikes, that they are of; `None` if none were
            declared.
    """

    rows: tuple[AblationRow, ...]
    splits: int
    photos: int
    groups: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as plain values for JSON."""
        rows = [
            {
                "name": row.name,
                **row.figures,
                "difference": row.difference,
                "interval": list(map(encode_float, row.interval)),
                "verdict": row.verdict,
            }
            for row in self.rows
        ]
        told = {"splits": self.splits, "photos": self.photos, "groups": self.groups}
        return {**told, "rows": rows}

    def parts(self) -> Iterator[Part]:
        """Yield how often was fitted, the rows, and how to read them."""
        rows = []
        for row in self.rows:
            low, high = row.interval
            told = f"{row.difference:+.3f} ({low:+.3f} to {high:+.3f})  {row.verdict}"
            figures = map(_written, row.figures.items())
            rows.append((row.name, *figures, told if row.verdict else ""))
        names = [_HEADS.get(name, name.replace("_", " ")) for name in self.rows[0].figures]
        heads = ("recipe", *names, f"difference in {names[-1]}")
        right = tuple(range(1, 1 + len(names)))
        photos = f"{self.photos} photos{of_groups(self.groups)}"
        yield f"Each recipe was fitted on {self.splits} splits of {photos}."
        yield from ("", Table("", heads, tuple(rows), right=right, name_width=60), "")
        over = "the splits" if self.groups is None else "splits and groups, the wider of both"
        yield f"In brackets: 95 % intervals over {over}. Lower {names[-1]} is better."


def _written(figure: tuple[str, float]) -> str:
    name, value = figure
    return f"{value:.1%}" if name.endswith("accuracy") else f"{value:.3f}"


@named
@heeds_verbose
def ablate_recipe(
    recipe: ImageClassifier,
    photos: PhotoSet | str | Path,
    *,
    changes: Mapping[str, Mapping[str, Any]] | None = None,
    group_by: str | None = None,
    split_by: str = "auto",
    test_fraction: float = 0.2,
    val_fraction: float = 0.2,
    verbose: bool = True,
) -> Ablation:
    """Fit a recipe on up to three splits, as it is and with one thing changed at a time.

    The photos are split as `fine_tune_images` splits them with the same seed, and its test
    photos are not touched. What the frozen blocks say of a photo is computed once for all
    fits on a split that show the same views.

    Args:
        recipe: Where to begin; it stays as it is.
        photos: A scanned set, or a folder or table; see `scan_photos`.
        changes: Name to the arguments that are changed; `None` for the usual ones, as far as
            the recipe can have them.
        group_by: What photos of one part have in common; see `scan_photos`.
        split_by: `"auto"`, `"random"`, `"group"` or `"time"`; see `split_photos`.
        test_fraction: Share of the photos that is set aside.
        val_fraction: Share of the photos that judges.
        verbose: Whether to print what is being fitted.

    Returns:
        The table.

    Raises:
        ValueError: If a change changes nothing, or an argument is not usable.
        DataError: If the photos do not suit training, or if the model that gives the weights has
            seen those that judge.
    """
    variants = _variants(recipe, changes)
    photos = scanned(photos, group_by)
    bench = Bench.of(photos, split_by, test_fraction, val_fraction, recipe.seed)
    _refuse_seen(variants, bench)
    measured: dict[str, list[Measured]] = {name: [] for name in variants}
    for number, (learn, judge) in enumerate(bench.splits):
        train, val = bench.photos.select(learn), bench.photos.select(judge)
        memory: dict = {}
        for name, judged in list(variants.items()):
            say(f"Split {number + 1} of {len(bench.splits)}: {name} …")
            fitted = replace(judged, recipe=replace(judged.recipe, seed=recipe.seed + number))
            try:
                with quiet():
                    done = fit_classifier(fitted, train, val, (), memory=memory)
            except NoEffectError as error:
                # A backbone without residual blocks, say; nothing has been trained then.
                if changes is not None or number or name == AS_IT_IS:
                    raise
                say(f"  Left out: {error}")
                del variants[name], measured[name]
                continue
            measured[name].append(
                Measured.of(done.task, predict_scores(done.model, val), val, done.output)
            )
    units = bench.units[bench.judged] if bench.grouped else None
    base = measured[AS_IT_IS]
    rows = tuple(_row(name, found, base, units) for name, found in measured.items())
    groups = len(np.unique(bench.units)) if bench.grouped else None
    return Ablation(rows, len(bench.splits), len(bench.photos), groups)


def _refuse_seen(variants: Mapping[str, Judged], bench: Bench) -> None:
    """Refuse weights of a model that was made with photos that judge."""
    for judged in variants.values():
        seen = seen_through(judged.recipe.weights, judged.spec)
        for _, judge in bench.splits if seen else ():
            refuse_seen(seen, bench.photos.select(judge))


def _variants(recipe: ImageClassifier, changes: Mapping[str, Any] | None) -> dict[str, Judged]:
    instead = "Save two recipes, fitted on the same split, and compare them with `compare_bundles`."
    refuse_other_data(recipe.modality, "An ablation", instead)
    config = {name: getattr(recipe, name) for name in recipe.get_config()}
    chosen = usual_changes(recipe.table) if changes is None else changes
    # Or each change would seem to be what is wrong.
    variants = {AS_IT_IS: judge_recipe(recipe)}
    for name, change in chosen.items():
        if unknown := change.keys() - config.keys():
            raise ValueError(
                f"The change {name!r} names what a recipe does not have: "
                f"{printable(', '.join(sorted(unknown)))}."
            )
        if all(config[key] == value for key, value in change.items()):
            if changes is None:
                continue
            raise ValueError(f"The change {name!r} changes nothing. Leave it out.")
        if change.get("augment") == "none":
            change = {"views": 1, **change}  # each would be the photo itself
        try:
            variants[name] = judge_recipe(replace(recipe, **change))
        except ValueError as error:
            if changes is not None:
                raise
            say(f"The change {name!r} is left out. {error}")
    if len(variants) == 1:
        raise ValueError("`changes` is empty, so there is nothing to compare. Pass some.")
    return variants


@dataclass(frozen=True)
class Measured:
    """What one fit was worth on the photos that judge.

    Args:
        told: What is told of it besides, by name.
        cost: What the losses are called.
        losses: What the answer to each photo costs.
    """

    told: Mapping[str, float]
    cost: str
    losses: np.ndarray

    @classmethod
    def of(cls, task: Task, answers: np.ndarray, val: Examples, output: OutputSpec) -> "Measured":
        """Judge answers, shape `(n, width)`.

        Raises:
            DataError: If all photos are of one class.
        """
        from sklearn.metrics import balanced_accuracy_score

        targets = task.targets(val, output)
        if val.target == CLASS and len(np.unique(targets)) < 2:
            raise DataError("The validation photos of a split show one class only. Add photos.")
        told = {}
        # An error is its own cost.
        if task.cost_name is not None or not task.is_error:
            quality = task.quality(targets, answers, output).mean()
            told[_key(task.quality_name)] = float(task.shown(quality))
        if task is CLASSIFICATION:
            balanced = balanced_accuracy_score(targets, answers.argmax(axis=1))
            told["balanced_accuracy"] = float(balanced)
        cost = task.cost_name or (task.quality_name if task.is_error else "cost")
        return cls(told, _key(cost), task.cost(targets, answers, output))

    @property
    def figures(self) -> dict[str, float]:
        """All that is told, the mean cost last."""
        return {**self.told, self.cost: float(self.losses.mean())}


def _key(name: str) -> str:
    return re.sub(r"\W", "_", name)


def _row(
    name: str, found: list[Measured], base: list[Measured], units: np.ndarray | None = None
) -> AblationRow:
    from scipy.stats import t

    def means(fits: list[Measured]) -> np.ndarray:
        return np.array([list(fit.figures.values()) for fit in fits])

    differences = (means(found) - means(base))[:, -1]
    mean, n = float(differences.mean()), len(differences)
    half = math.nan
    if n > 1:
        half = float(t.ppf(0.975, n - 1) * differences.std(ddof=1) / math.sqrt(n))
    if units is not None:
        by_photo = np.concatenate([a.losses - b.losses for a, b in zip(found, base, strict=True)])
        groups = len(np.unique(units))
        reach = t.ppf(0.975, groups - 1) if groups > 1 else 1.0
        half = float(np.fmax(half, reach * clustered_error(by_photo, units)))
    figures = dict(zip(found[0].figures, means(found).mean(axis=0).tolist(), strict=True))
    return AblationRow(name, figures, mean, (mean - half, mean + half))
