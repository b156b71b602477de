"""Which family of networks to try on signals, measured beside the classical baseline."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.backbones import get_backbone, list_backbones
from kerasrecipes.console import say
from kerasrecipes.data.examples import CLASS
from kerasrecipes.errors import DataError, listed
from kerasrecipes.evaluation.scores import group_numbers
from kerasrecipes.heads import get_task, make_head
from kerasrecipes.signals.scan import scan_signals
from kerasrecipes.signals.signal_set import SignalSet
from kerasrecipes.signals.split import split_signals
from kerasrecipes.statistics.paired import mean_difference_interval
from kerasrecipes.statistics.shown import Part, Shown
from kerasrecipes.statistics.tables import Table
from kerasrecipes.training.fine_tune import with_epochs
from kerasrecipes.training.signals.baseline import CALLED, fit_baseline
from kerasrecipes.training.signals.sequence_classifier import SequenceClassifier

BASELINE = "baseline"
# One that looks at short patterns, and one that remembers; of those that can stream, both kinds.
USUAL, STREAMING = ("fcn", "gru"), ("tcn", "gru")


@dataclass(frozen=True)
class Family:
    """What one family reached.

    Args:
        name: `"baseline"`, or a name of `list_backbones("signals")`.
        accuracy: Share of the validation signals that it tells right, 0…1.
        low: Lower end of a 95 % interval of the difference to the baseline.
        high: Upper end.
        parameters: Weights of the network, without its head; 0 for the baseline.
        seconds: What its fit took.
    """

    name: str
    accuracy: float
    low: float
    high: float
    parameters: int
    seconds: float


@dataclass(frozen=True)
class FamilyRecommendation(Shown):
    """Families measured on signals, and the one to take; print it.

    Args:
        families: What was measured, the baseline first.
        best: The one to take: `"baseline"` unless a network is shown to be better.
        reason: Why.
        learned: Signals that were learned from.
        judged: Signals that were judged by.
        test_signals: Signals that were set aside for the final test.
    """

    families: tuple[Family, ...]
    best: str
    reason: str
    learned: int
    judged: int
    test_signals: int

    def to_dict(self) -> dict:
        """Return everything as plain values for JSON."""
        return asdict(self)

    def parts(self) -> Iterator[Part]:
        """Yield the table, and what to take."""
        rows = []
        for one in self.families:
            beside = (
                "" if one.name == BASELINE else f"{100 * one.low:+.1f} to {100 * one.high:+.1f}"
            )
            cells = (f"{one.accuracy:.1%}", beside, f"{one.parameters:,}", f"{one.seconds:.0f} s")
            rows.append((one.name, *cells))
        columns = ("family", "accuracy", "points off the baseline, 95%", "weights", "fit")
        yield Table("", columns, tuple(rows), right=(1, 2, 3, 4))
        yield (
            f"Learned from {self.learned:,} signals, judged by {self.judged:,} others; "
            f"{self.test_signals:,} were set aside for the test. The baseline: {CALLED}."
        )
        yield f"Take: {self.best}. {self.reason}"


def _known(families: Sequence[str] | None, streaming: bool) -> list[str]:
    """Return what to measure; a name that is none, or cannot stream, is an error."""
    if isinstance(families, str | bytes) or (families is not None and not len(families)):
        raise ValueError(f"`families` must be a list of names, e.g. ['fcn'], not {families!r}.")
    names = list(families or (STREAMING if streaming else USUAL))
    for name in names:
        try:
            spec = get_backbone(name, "signals")
        except ValueError as error:
            raise ValueError(f"`families`: {error}") from None
        if not spec.causal and streaming:
            can = [one for one in list_backbones("signals") if get_backbone(one, "signals").causal]
            raise ValueError(
                f"`families`: {name!r} looks at later steps, too, so it cannot answer step by "
                f"step. Choose from: {listed(can, 8)}."
            )
    return names


@named
def recommend_family(
    signals: SignalSet | str | Path,
    *,
    families: Sequence[str] | None = None,
    streaming: bool = False,
    epochs: int | None = None,
    split_by: str = "auto",
    seed: int = 0,
) -> FamilyRecommendation:
    """Measure families of networks and the classical baseline on signals, and recommend one.

    Each learns from the same signals, and is judged by others that it has not seen; the test of the
    split is left alone. Where no network is shown to be better than the baseline, deep learning is
    the wrong tool, and the baseline is recommended.

    Args:
        signals: A scanned set with one class each, or what `scan_signals` reads.
        families: Names of `list_backbones("signals")`; `None` for `"fcn"`, which looks at short
            patterns, and `"gru"`, which remembers, or, to stream, `"tcn"` in place of the first.
        streaming: Whether answers are wanted step by step, which not all families can give.
        epochs: Epochs of each fit; `None` for the usual number.
        split_by: As in `split_signals`.
        seed: Seed of the split and the fits.

    Returns:
        The families, and the one to take.

    Raises:
        ValueError: If there is no such family, or it cannot stream and `streaming` is set.
        DataError: If the signals do not suit training, or have no single class each.
    """
    names = _known(families, streaming)
    found = signals if isinstance(signals, SignalSet) else scan_signals(signals)
    if found.target != CLASS:
        raise DataError(
            f"Families are compared on signals with one class each so far, and these have "
            f"{found.target}. Train one by its name, e.g. with backbone='fcn'."
        )
    train, val, test = split_signals(found, split_by=split_by, seed=seed)
    learn, choose, _ = split_signals(train, split_by=_again(split_by), seed=seed, test_fraction=0)
    simple = fit_baseline(train, val)
    measured = [_measured(BASELINE, train, val, simple.answers, simple.answers, 0, simple.seconds)]
    settings = with_epochs(epochs, {}, SequenceClassifier)
    for name in names:
        say(f"Training '{name}' …")
        begun = time.perf_counter()
        recipe = SequenceClassifier(name, seed=seed, **settings)
        recipe.fit(learn, choose, verbose=False)
        size, took = recipe.model_.count_params(), time.perf_counter() - begun
        answers = recipe.predict(val)
        measured.append(_measured(name, train, val, answers, simple.answers, size, took))
    best, reason = _choice(measured)
    return FamilyRecommendation(tuple(measured), best, reason, len(train), len(val), len(test))


def _again(split_by: str) -> str:
    """Return how to split the training side of a split; a declared one is used up."""
    return "random" if split_by == "auto" else split_by


def _measured(
    name: str,
    train: SignalSet,
    val: SignalSet,
    answers: np.ndarray,
    simple: np.ndarray,
    parameters: int,
    seconds: float,
) -> Family:
    output = make_head("classification").output(train)
    task = get_task(output.task)
    targets = task.targets(val, output)
    ours, theirs = (task.quality(targets, one, output) for one in (answers, simple))
    groups = group_numbers(val.groups, len(val))
    low, high = mean_difference_interval(ours, theirs, groups)
    return Family(name, float(ours.mean()), low, high, parameters, seconds)


def _choice(measured: Sequence[Family]) -> tuple[str, str]:
    """Return what to take, and why."""
    networks = [one for one in measured if one.name != BASELINE]
    better = [one for one in networks if one.low > 0]
    if better:
        best = max(better, key=lambda one: (one.accuracy, -one.parameters))
        return best.name, "It is shown to be better than the baseline on these signals."
    return BASELINE, (
        "No network is shown to be better on these signals; the baseline is fitted in seconds. "
        "Show more signals to both, or take the best network where a .tflite file is wanted."
    )
