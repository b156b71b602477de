"""One call from texts to a saved model, with the simple baseline beside it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kerasrecipes.arguments import named
from kerasrecipes.backbones.texts.text_backbone import TextBackbone
from kerasrecipes.console import heeds_verbose
from kerasrecipes.texts.check import check_texts
from kerasrecipes.texts.scan import scan_texts
from kerasrecipes.texts.split import split_texts
from kerasrecipes.training.fine_tune import FineTuned, Tools, fine_tune, with_epochs
from kerasrecipes.training.texts.baseline import compare_with_baseline
from kerasrecipes.training.texts.text_classifier import TextClassifier

TEXT_TOOLS = Tools(scan_texts, split_texts, check_texts)


@named
@heeds_verbose
def fine_tune_texts(
    texts: str | Path,
    to: str | Path,
    *,
    backbone: str | TextBackbone = "minilm",
    text: str | Sequence[str] | None = None,
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
    """Scan, check and split texts, fine-tune a backbone, evaluate it and save it.

    Where texts have one class each, TF-IDF with a logistic regression is measured on the same test:
    where that is as good, its speed and size speak for it.

    Args:
        texts: A table, or a folder with one folder per class; see `scan_texts`.
        to: The model's folder, e.g. `"saved_models/tickets"`.
        backbone: A name of `list_backbones("texts")`, or a backbone.
        text: The table's column of texts, or two for pairs; see `scan_texts`.
        label: The table's column of one class each.
        labels: The table's column of several labels each, or one column per label.
        value: The table's column of a number each.
        classes: The order of the classes; see `scan_texts`.
        group_by: What texts of one author, thread or customer have in common; see `scan_texts`.
        split_by: `"auto"`, `"random"`, `"group"` or `"time"`; see `split_texts`.
        test_fraction: Share of the texts that only the final evaluation sees.
        val_fraction: Share of the texts that the best weights are chosen by.
        epochs: Epochs with open blocks; `None` for the default.
        seed: Seed of everything that is drawn.
        drop_small_classes: Leave classes with fewer than 2 texts out; see `scan_texts`.
        fail_on_leak: Raise if the same text, or group, is on two sides of the split.
        callbacks: Further callbacks, as in `TextClassifier.fit`.
        verbose: Whether to print findings and progress.
        run_folder: A folder that explains the run and from which it can go on after a break;
            `None` keeps nothing.
        resume: Go on with the run in `run_folder`; everything else must be as it was.
        **settings: Further arguments of `TextClassifier`.

    Returns:
        The fitted recipe, its report and the saved bundle.

    Raises:
        DataError: If the texts do not suit training, or leak and `fail_on_leak` is set, or the
            run folder does not suit.
        ValueError: If an argument is not usable.
        OSError: If nothing can be written in `to`; nothing is trained then.
    """
    settings = with_epochs(epochs, settings, TextClassifier)
    columns = {"text": text, "label": label, "labels": labels, "value": value, "classes": classes}
    shares = {"test_fraction": test_fraction, "val_fraction": val_fraction}
    how = {"group_by": group_by, "split_by": split_by, "drop_small_classes": drop_small_classes}
    return fine_tune(
        TextClassifier(backbone, seed=seed, **settings),
        texts,
        {**columns, **how, **shares},
        to,
        TEXT_TOOLS,
        fail_on_leak=fail_on_leak,
        callbacks=callbacks,
        run_folder=run_folder,
        resume=resume,
        compare=compare_with_baseline,
    )
