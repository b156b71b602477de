"""Fitting an image classifier: check everything, build, then run stage after stage."""

import math
from datetime import UTC, datetime

import numpy as np

from kerasrecipes.backbones import get_backbone
from kerasrecipes.data.augment import get_augmentation
from kerasrecipes.data.batches import PhotoReader
from kerasrecipes.data.check import check_photos
from kerasrecipes.data.photos import PhotoSet
from kerasrecipes.errors import DataError, listed
from kerasrecipes.heads import get_head
from kerasrecipes.report.run_report import DataReport, RunReport
from kerasrecipes.silence import import_keras
from kerasrecipes.training.schedule import UnfreezeSchedule
from kerasrecipes.versions import library_versions

IMBALANCE = 1.5
# Full balancing lets the few photos of a rare class dominate; its square root keeps more of both.
WEIGHT_POWERS = {"auto": 0.5, "sqrt": 0.5, "balanced": 1.0}


def fit_classifier(recipe, train: PhotoSet, val: PhotoSet, callbacks: tuple, say):
    """Run `recipe` on photos.

    Args:
        recipe: An `ImageClassifier`.
        train: Photos to learn from.
        val: Photos to choose by.
        callbacks: The user's own callbacks.
        say: Prints one line for the user.

    Returns:
        The fitted model and its `RunReport`, still without evaluations.
    """
    schedule, spec, head, augmentation = checked_arguments(recipe)
    data = _checked_photos(train, val)
    for leak in data.leaks:
        say(f"Warning: {leak}")

    keras = import_keras()
    from kerasrecipes.training.fit_stage import StageRunner
    from kerasrecipes.training.frozen_part import FrozenPart

    keras.utils.set_random_seed(recipe.seed)
    if recipe.deterministic:
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    model = _build(spec, head, recipe, len(train.class_names))
    size = tuple(model.input.shape[1:3])
    train_reader = PhotoReader(train, size, augmentation, recipe.seed)
    val_reader = PhotoReader(val, size)
    sides = ((train_reader, recipe.views), (val_reader, 1))
    runner = StageRunner(
        model=model,
        spec=spec,
        head=head,
        train=train_reader,
        val=val_reader,
        class_weights=class_weights(train, recipe.class_weights),
        frozen=FrozenPart(model, spec, sides, recipe.cache_gb, say),
        settings=recipe,
        callbacks=callbacks,
        say=say,
    )
    report = _new_report(recipe, spec, data)
    _run_stages(runner, schedule, report, say)
    return model, report


def class_weights(train: PhotoSet, wish: str | None) -> np.ndarray:
    """Return one loss weight per class, mean 1 over the photos; float32, `(classes,)`.

    Args:
        train: The training photos.
        wish: A key of `WEIGHT_POWERS`, or `None` for equal weights.
    """
    counts = np.array(list(train.counts().values()), dtype=np.float64)
    if wish is None or (wish == "auto" and counts.max() <= IMBALANCE * counts.min()):
        return np.ones(len(counts), dtype=np.float32)
    weights = counts ** -WEIGHT_POWERS[wish]
    return (weights * counts.sum() / (weights * counts).sum()).astype(np.float32)


def checked_arguments(recipe):
    """Judge every argument that can be judged without reading or loading anything."""
    schedule = recipe.schedule or UnfreezeSchedule.two_phase()
    if not isinstance(schedule, UnfreezeSchedule):
        raise ValueError(
            f"`schedule` must be an UnfreezeSchedule, not {type(schedule).__name__}. "
            "Pass e.g. UnfreezeSchedule.two_phase(epochs=12)."
        )
    if recipe.class_weights is not None and recipe.class_weights not in WEIGHT_POWERS:
        raise ValueError(
            "`class_weights` must be 'auto', 'sqrt', 'balanced' or None, "
            f"not {recipe.class_weights!r}."
        )
    for name, low, high in (
        ("views", 1, 1000),
        ("batch_size", 1, 4096),
        ("dropout", 0, 0.95),
        ("label_smoothing", 0, 0.5),
        ("weight_decay", 0, 1),
        ("cache_gb", 0, math.inf),
        ("seed", 0, 2**31 - 1),
    ):
        value = getattr(recipe, name)
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not low <= value <= high
        ):
            raise ValueError(f"`{name}` must be between {low} and {high}, not {value!r}.")
    if recipe.patience is not None and recipe.patience < 1:
        raise ValueError(f"`patience` must be at least 1, or None, not {recipe.patience}.")
    head = get_head(recipe.head)(recipe.dropout, recipe.label_smoothing)
    augmentation = get_augmentation(recipe.augment)
    spec = get_backbone(recipe.backbone)
    spec.check(recipe.image_size, recipe.weights)
    return schedule, spec, head, augmentation


def _checked_photos(train: PhotoSet, val: PhotoSet) -> DataReport:
    if train.class_names != val.class_names:
        raise DataError(
            f"`train` has the classes {listed(train.class_names)}, and `val` "
            f"{listed(val.class_names)}. Make both from one set with split_photos."
        )
    empty = [name for name, count in train.counts().items() if not count]
    if empty or len(train.class_names) < 2:
        raise DataError(
            f"Training needs at least 2 classes with photos; without any are {listed(empty)}."
            if empty
            else f"Training needs at least 2 classes, not {listed(train.class_names)}."
        )
    if not len(val):
        raise DataError("`val` is empty. Without validation photos no weights can be chosen.")
    return DataReport(
        source=str(train.root),
        counts={"train": train.counts(), "val": val.counts()},
        digests={"train": train.digest(), "val": val.digest()},
        excluded=len(train.excluded),
        leaks=[finding.message for finding in check_photos(train, val).leaks],
    )


def _build(spec, head, recipe, class_count: int):
    import keras

    backbone = spec.build(recipe.image_size, recipe.weights)
    scores = head.build(backbone.output, class_count, recipe.seed)
    return keras.Model(backbone.input, scores, name=backbone.name)


def _new_report(recipe, spec, data: DataReport) -> RunReport:
    return RunReport(
        name=recipe.backbone,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        recipe=recipe.get_config(),
        data=data,
        warnings=[],
        seeds={"seed": recipe.seed},
        versions=library_versions(),
        weights={
            "name": spec.name,
            "source": spec.weights_source,
            "licence": spec.weights_licence,
        },
    )


def _run_stages(runner, schedule: UnfreezeSchedule, report: RunReport, say) -> None:
    first_epoch = 0
    for position, stage in enumerate(schedule.stages):
        later = list(schedule.stages[position + 1 :])
        try:
            stage_report, interrupted = runner.run(stage, later, first_epoch)
        except KeyboardInterrupt:
            if not report.stages:
                raise
            interrupted, stage_report = True, None
        if stage_report is not None:
            report.stages.append(stage_report)
            first_epoch += stage.epochs
        if interrupted:
            report.interrupted = True
            say(f"Interrupted in stage '{stage.name}': the best weights so far are kept.")
            return
