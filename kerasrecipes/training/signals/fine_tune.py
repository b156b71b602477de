"""One call from recordings to a saved model, with the simple baseline beside it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kerasrecipes.arguments import named
from kerasrecipes.backbones.signals.signal_backbone import SignalBackbone
from kerasrecipes.console import heeds_verbose
from kerasrecipes.signals.check import check_signals
from kerasrecipes.signals.scan import scan_signals
from kerasrecipes.signals.split import split_signals
from kerasrecipes.training.fine_tune import FineTuned, Tools, fine_tune, with_epochs
from kerasrecipes.training.signals.baseline import compare_with_baseline
from kerasrecipes.training.signals.sequence_classifier import SequenceClassifier

SIGNAL_TOOLS = Tools(scan_signals, split_signals, check_signals)


@named
@heeds_verbose
def train_signals(
    recordings: str | Path,
    to: str | Path,
    *,
    backbone: str | SignalBackbone = "fcn",
    channels: Sequence[str] | None = None,
    id: str | None = None,
    time: str | None = None,
    rate: float | None = None,
    window: int | None = None,
    stride: int | None = None,
    label: str | None = None,
    labels: str | Sequence[str] | None = None,
    value: str | None = None,
    classes: str | Sequence[str] | None = None,
    group_by: str | None = None,
    split_by: str = "auto",
    test_fraction: float = 0.2,
    val_fraction: float = 0.2,
    epochs: int | None = None,
    seed: int = 0,
    drop_small_classes: bool = False,
    fail_on_leak: bool = False,
    callbacks: Sequence[Any] = (),
    verbose: bool = True,
    run_folder: str | Path | None = None,
    resume: bool = False,
    **settings: Any,
) -> FineTuned:
    """Scan, check and split recordings, train a network, evaluate it and save it.

    Where signals have one class each, ridge regression on random convolutions and summaries is
    measured on the same test: where that is as good, its speed and size speak for it.

    Args:
        recordings: A folder, a table or a `.ts` file; see `scan_signals`.
        to: The model's folder, e.g. `"saved_models/steps"`.
        backbone: A name of `list_backbones("signals")`, or a backbone.
        channels: The channels to read; see `scan_signals`.
        id: The long table's column of recordings.
        time: The long table's column of times.
        rate: Steps per second, where files do not say it.
        window: Steps of windows that recordings are cut into.
        stride: Steps from one window to the next.
        label: The table's column of one class each.
        labels: The table's column of several labels each, or one column per label.
        value: The table's column of a number each.
        classes: The order of the classes; see `scan_signals`.
        group_by: What recordings of one subject have in common; see `scan_signals`.
        split_by: `"auto"`, `"random"`, `"group"` or `"time"`; see `split_signals`.
        test_fraction: Share of the signals that only the final evaluation sees.
        val_fraction: Share of the signals that the best weights are chosen by.
        epochs: Epochs; `None` for the default.
        seed: Seed of everything that is drawn.
        drop_small_classes: Leave classes with fewer than 2 signals out; see `scan_signals`.
        fail_on_leak: Raise if the same signal, or group, is on two sides of the split.
        callbacks: Further callbacks, as in `SequenceClassifier.fit`.
        verbose: Whether to print findings and progress.
        run_folder: A folder that explains the run and from which it can go on after a break;
            `None` keeps nothing.
        resume: Go on with the run in `run_folder`; everything else must be as it was.
        **settings: Further arguments of `SequenceClassifier`.

    Returns:
        The fitted recipe, its report and the saved bundle.

    Raises:
        DataError: If the signals do not suit training, or leak and `fail_on_leak` is set, or the
            run folder does not suit.
        ValueError: If an argument is not usable.
        OSError: If nothing can be written in `to`; nothing is trained then.
    """
    settings = with_epochs(epochs, settings, SequenceClassifier)
    return fine_tune(
        SequenceClassifier(backbone, seed=seed, **settings),
        recordings,
        {"channels": channels, "id": id, "time": time, "rate": rate, "window": window,
         "stride": stride, "label": label, "labels": labels, "value": value, "classes": classes,
         "group_by": group_by, "split_by": split_by, "test_fraction": test_fraction,
         "val_fraction": val_fraction, "drop_small_classes": drop_small_classes},
        to, SIGNAL_TOOLS, fail_on_leak=fail_on_leak, callbacks=callbacks, run_folder=run_folder,
        resume=resume, compare=compare_with_baseline,
    )  # fmt: skip
