"""Searching for better settings of a head, from cached features, within minutes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes._version import __version__
from kerasrecipes.arguments import named
from kerasrecipes.bundles.first_weights import seen_through
from kerasrecipes.choosing.bench import scanned
from kerasrecipes.console import heeds_verbose, quiet, say, warn
from kerasrecipes.data.examples import Examples
from kerasrecipes.data.seen import refuse_seen
from kerasrecipes.data.splits import split_examples
from kerasrecipes.errors import DataError, NoEffectError, is_number
from kerasrecipes.files import told_plainly, write_whole
from kerasrecipes.photos.photo_set import PhotoSet
from kerasrecipes.settings.judging import judge_recipe
from kerasrecipes.settings.written.recipe_file import recipe_text
from kerasrecipes.statistics.clustered import clustered_error
from kerasrecipes.training.fitting import checked_examples
from kerasrecipes.training.image_classifier import ImageClassifier
from kerasrecipes.training.linear.folds import units_of
from kerasrecipes.training.recipe import Recipe
from kerasrecipes.tuning.deadline import Deadline, NothingMeasured
from kerasrecipes.tuning.heads import HeadBench, plain_choice, read_choice
from kerasrecipes.tuning.measure import Measure
from kerasrecipes.tuning.picking import pick
from kerasrecipes.tuning.result import OnTest, Tuning, TuningRow, on_test
from kerasrecipes.tuning.space import (
    OF_HEAD,
    Settings,
    candidates_of,
    checked_space,
    head_space,
    in_words,
    plain_of,
)
from kerasrecipes.tuning.trials import Trials, Tried

RECIPE, PAGE = "recipe.toml", "report.html"
LONGEST = 7 * 24 * 60.0
# What is left of the budget for the test and the report.
_FOR_SEARCH = 0.9


@named
@heeds_verbose
def tune(
    photos: PhotoSet | Examples | str | Path,
    *,
    recipe: Recipe | None = None,
    minutes: float = 30.0,
    measure: str = "loss",
    space: Mapping[str, Sequence[Any]] | None = None,
    group_by: str | None = None,
    split_by: str = "auto",
    test_fraction: float = 0.2,
    val_fraction: float = 0.2,
    run_folder: str | Path | None = None,
    verbose: bool = True,
) -> Tuning:
    """Search for settings of a head that do better on someone's own photos.

    The frozen backbone sees each photo once; then a head takes seconds to judge, by
    cross-validation that keeps groups, near duplicates and time apart. The recipe as it is comes
    first, and another one is taken only where it is better by more than its error, on the same
    photos, after what it owes to having been picked among many is taken off. Photos that were set
    aside say how good the pick is; the search never sees them. Needs the extra `tune`.

    Args:
        photos: A scanned set, or a folder or table of photos; see `scan_photos`. Of texts, what
            `scan_texts` returns, with a recipe that starts from a probe.
        recipe: Where to begin; it stays as it is. `None` for an `ImageClassifier`.
        minutes: How long it may take in all.
        measure: What is compared: `"loss"`, the log-loss; `"accuracy"`; or, with each class
            counting alike, `"balanced_loss"` or `"balanced_accuracy"`.
        space: Settings to the values that are to be tried, besides the usual ones; e.g. other
            backbones or sizes, which the usual ones leave alone since they make answers slower.
        group_by: What photos of one part have in common; see `scan_photos`.
        split_by: `"auto"`, `"random"`, `"group"` or `"time"`; see `split_photos`.
        test_fraction: Share of the photos that is set aside; 0 for none. With the same fractions
            and seed, `fine_tune_images` sets the same ones aside.
        val_fraction: Share that a fit will choose by; the search learns from these, too.
        run_folder: Keeps the trials, the recipe and a page. With it, the same call goes on after
            a break, and several processes may search at once. `None` keeps nothing.
        verbose: Whether to print what is being tried.

    Returns:
        The search, and the recipe to train; print it.

    Raises:
        ValueError: If an argument is not usable, or would have no effect.
        DataError: If the photos do not suit training, the minutes were over before the recipe as
            it is was measured, or the run folder holds another search.
        MissingDependencyError: If the extra is not installed.
        OSError: If nothing can be written in the run folder.
        KeyboardInterrupt: If interrupted before anything was measured; afterwards what was
            measured is kept and told.
    """
    clock = clock_of(minutes)
    recipe = ImageClassifier() if recipe is None else recipe
    judged = judge_recipe(recipe)
    compared = Measure(measure, judged.head.task)
    if not judged.from_probe:
        raise NoEffectError(
            "`recipe` does not start from a probe, which is what a search compares. Pass one with "
            "start='probe', or compare whole fits with ablate_recipe."
        )
    found = _found(photos, group_by, recipe)
    fractions = {"test_fraction": test_fraction, "val_fraction": val_fraction}
    train, val, test = split_examples(
        found, **fractions, split_by=split_by, seed=recipe.seed, near=True
    )
    train, val, test = (recipe.prepared(side, judged.spec) for side in (train, val, test))
    for leak in checked_examples(train, val, judged.head).leaks:
        warn(leak)
    refuse_seen(seen_through(recipe.weights, judged.spec), test)
    rest = train.with_items((*train.items, *val.items))
    chosen = {**head_space(recipe, rest), **checked_space(recipe, space or {}, OF_HEAD)}
    folder = None if run_folder is None else Path(run_folder)
    bench = HeadBench(recipe, rest, test, train.split_by)
    result = _Search(compared, bench, clock, candidates_of(recipe, chosen), folder).run()
    if folder is not None:
        _write(folder, result, {"source": str(found.root), "split_by": split_by, **fractions})
    return result


def clock_of(minutes: float) -> Deadline:
    """Return the budget of a search, which begins now.

    Args:
        minutes: How long it may take.

    Raises:
        ValueError: If that is not usable.
    """
    if not is_number(minutes, 0, LONGEST) or not minutes:
        raise ValueError(f"`minutes` must be above 0 and at most {LONGEST:g}, not {minutes!r}.")
    return Deadline(minutes)


def _found(photos: Examples | str | Path, group_by: str | None, recipe: Recipe) -> Examples:
    """Return examples of the recipe's kind."""
    given: Any = photos
    found = given if isinstance(given, Examples) and group_by is None else scanned(given, group_by)
    if found.modality != recipe.modality:
        raise DataError(
            f"`photos` are {found.noun[1]}, and the recipe is for {recipe.modality}. Pass a recipe "
            f"for {found.modality}."
        )
    return found


@dataclass
class _Search:
    """Compares heads within a budget.

    Args:
        measure: What is compared.
        bench: What judges them.
        clock: The budget.
        candidates: The heads, the recipe as it is first.
        folder: Where the trials are kept.
    """

    measure: Measure
    bench: HeadBench
    clock: Deadline
    candidates: list[Settings]
    folder: Path | None
    interrupted: bool = False

    def run(self) -> Tuning:
        """Try what fits into the budget, and pick."""
        trials = Trials(self.folder, "heads", self._identity(), self._plain())
        try:
            with Deadline(self.clock.left / 60 * _FOR_SEARCH) as search:
                trials.run(self._tried, lambda: not search.passed)
        except KeyboardInterrupt:
            self.interrupted = not search.passed
        done = trials.done()
        if not done or done[0].number:
            if self.interrupted:
                raise KeyboardInterrupt
            raise NothingMeasured(
                f"{self.clock.minutes:g} minutes were over before the recipe as it is was "
                "measured. Pass more `minutes`, fewer photos, or a smaller backbone."
            )
        return self._told(done, trials.importance())

    def _tried(self, place: int) -> tuple[np.ndarray, dict[str, Any]]:
        settings = self.candidates[place]
        say(f"{place + 1} of {len(self.candidates)}: {in_words(settings)} …")
        with quiet():
            choice = self.bench.choice(settings)
        if not choice.trials:
            raise DataError(
                f"There are too few {self.bench.rest.noun[1]} to judge some by others, so heads "
                "cannot be compared. Add some, or train the recipe as it is."
            )
        costs = self._costs(self.bench.rest.select(choice.judged), choice.answers)
        order = np.argsort(choice.judged, kind="stable")
        say(f"  {self.measure.label} {self.measure.shown(float(costs.mean()))}")
        return costs[order], plain_choice(choice)

    def _costs(self, examples: Examples, answers: np.ndarray) -> np.ndarray:
        return self.measure.costs(self.bench.targets(examples), answers, self.bench.output)

    def _told(self, done: Sequence[Tried], importance: Mapping[str, float]) -> Tuning:
        """Pick, and measure the pick on what was set aside."""
        rest, first = self.bench.rest, done[0].costs
        # Which of the examples judge is the same for all, as the folds are.
        judged = done[0].told["judged"]
        units = np.unique(self._units(rest)[judged], return_inverse=True)[1]
        picked = pick(np.stack([one.costs for one in done]), units, self.bench.recipe.seed)
        rows = tuple(
            TuningRow(
                settings=self.candidates[one.number],
                cost=float(one.costs.mean()),
                better=float((first - one.costs).mean()),
                error=clustered_error(first - one.costs, units) if one.number else 0.0,
                seconds=one.seconds,
            )
            for one in done
        )
        settings = rows[picked.chosen].settings
        pair = (done[0], done[picked.chosen])
        test = self._on_test(pair) if len(self.bench.test) else None
        return Tuning(
            recipe=replace(self.bench.recipe, **settings),
            settings=settings,
            rows=rows,
            picked=picked,
            measure=self.measure,
            test=test,
            planned=len(self.candidates),
            examples=(len(judged), int(units.max()) + 1 if self._grouped else None),
            importance=importance,
            minutes=(self.clock.spent / 60, self.clock.minutes),
            interrupted=self.interrupted,
            folder=self.folder,
            noun=rest.noun,
        )

    def _on_test(self, pair: tuple[Tried, Tried]) -> OnTest:
        """Measure the recipe as it is and the pick on what was set aside."""
        test, task = self.bench.test, self.measure.task
        targets, output = self.bench.targets(test), self.bench.output
        results, costs = [], []
        for one in pair:
            choice = read_choice(one.told, test.target)
            with quiet():
                answers = self.bench.on_test(self.candidates[one.number], choice)
            found = task.evaluate(targets, answers, output, groups=test.groups)
            results.append(found.about(test.noun[0]))
            costs.append(self._costs(test, answers))
        return on_test(
            self.measure, (results[0], results[1]), (costs[0], costs[1]), self._units(test)
        )

    def _units(self, examples: Examples) -> np.ndarray:
        return units_of(examples, self._grouped)

    @property
    def _grouped(self) -> bool:
        return any(group is not None for group in self.bench.rest.groups)

    def _plain(self) -> list[dict[str, str]]:
        """Write the candidates as text, each with all settings that differ in any."""
        recipe = self.bench.recipe
        names = sorted({name for one in self.candidates for name in one})
        rows = {row.name: row for row in recipe.table}
        return [
            {name: plain_of(rows[name], one.get(name, getattr(recipe, name))) for name in names}
            for one in self.candidates
        ]

    def _identity(self) -> dict[str, Any]:
        """Say what must be the same for trials to be comparable."""
        return {
            "photos": [self.bench.rest.digest(), self.bench.test.digest()],
            "recipe": self.bench.recipe.get_config(),
            "measure": self.measure.name,
            "candidates": self._plain(),
            "version of kerasrecipes": __version__,
        }


def _write(folder: Path, result: Tuning, split: Mapping[str, Any]) -> None:
    """Write the recipe that repeats the pick, and the page."""
    with told_plainly(folder):
        write_whole(folder / RECIPE, recipe_text(result.recipe, split).encode())
        write_whole(folder / PAGE, result.html().encode(errors="backslashreplace"))
