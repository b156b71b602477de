"""The batches of one stage, as Keras's `fit` takes them."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.console import say
from kerasrecipes.data.batches import index_batches, with_targets
from kerasrecipes.data.examples import CLASS
from kerasrecipes.data.mixing import mix_batches

if TYPE_CHECKING:
    import tensorflow as tf

    from kerasrecipes.engine.stage import StageRunner
    from kerasrecipes.engine.wanted import Feed


def train_batches(runner: "StageRunner", feed: "Feed", epochs: range) -> "tf.data.Dataset":
    """Return `(inputs, target, weight)` batches of the training photos, epoch after epoch.

    Args:
        runner: A `StageRunner`.
        feed: Turns a dataset of `(index, view)` into one of `(index, view, inputs)`.
        epochs: The epochs to produce.
    """
    settings, count = runner.settings, len(runner.train.examples)

    def make(share: Any) -> "tf.data.Dataset":
        size, views = settings.batch_size, runner.train.views
        sizes, strata = runner.train.reader.sizes, runner.lesson.strata
        order = index_batches(count, size, settings.seed, epochs, views, sizes, strata)
        # A device reads its own photos only, unless any two of a batch may be mixed.
        order = order if settings.mix else share(order)
        batches = with_targets(feed(order), runner.lesson.targets[0], runner.lesson.weights)
        if settings.mix:
            first_step = epochs.start * math.ceil(count / size)
            batches = share(_mixed(runner, batches, first_step))
        return batches.prefetch(2)

    return runner.devices.distributed(make)


def val_batches(runner: "StageRunner", feed: "Feed") -> "tf.data.Dataset":
    """Return the same for validation, where every photo counts alike: weighted, the few photos
    of a rare class would choose the weights alone. They come mixed, since a loss on embeddings
    compares the photos of a batch.

    Args:
        runner: A `StageRunner`.
        feed: Turns a dataset of `(index, view)` into one of `(index, view, inputs)`.
    """
    count = len(runner.val.examples)

    def make(share: Any) -> "tf.data.Dataset":
        size, seed, sizes = _val_batch(runner), runner.settings.seed, runner.val.reader.sizes
        order = index_batches(count, size, seed, range(1), 1, sizes)
        batches = with_targets(feed(share(order)), runner.lesson.targets[1], np.ones(count))
        # Told the number of steps, Keras reads on where it stopped.
        return (batches if val_steps(runner) is None else batches.repeat()).prefetch(2)

    return runner.devices.distributed(make)


def val_steps(runner: "StageRunner") -> int | None:
    """Return the steps of a validation, which Keras cannot count where devices share them.

    Args:
        runner: A `StageRunner`.
    """
    if runner.devices.count == 1:
        return None
    return math.ceil(len(runner.val.examples) / _val_batch(runner))


def class_sides(runner: "StageRunner", feeds: "Sequence[Feed]") -> list[tuple]:
    """Return `(inputs, labels)` of the training and of the validation photos, as they are and
    in their order: inputs in batches for `predict`, labels of shape `(n,)`, or `None` where an
    example has no single class.

    Args:
        runner: A `StageRunner`.
        feeds: For each side, what turns `(index, view)` into `(index, view, inputs)`.
    """
    found = []
    for side, feed in zip((runner.train, runner.val), feeds, strict=True):
        order = index_batches(len(side.examples), _val_batch(runner), None, range(1), 1)
        inputs = feed(order).map(lambda index, view, inputs: inputs)
        labels = side.examples.labels if side.examples.target == CLASS else None
        found.append((inputs, labels))
    return found


def _val_batch(runner: "StageRunner") -> int:
    return math.ceil(runner.settings.batch_size / runner.parts)


def _mixed(runner: "StageRunner", batches: "tf.data.Dataset", first_step: int) -> "tf.data.Dataset":
    settings = runner.settings
    kind: Any = settings.mix
    if batches.element_spec[0].dtype.is_integer:
        say("  Tokens cannot be mixed: in this stage, which begins at them, nothing is.")
        return batches
    if kind == "cutmix" and batches.element_spec[0].shape.rank == 2:
        say("  No box can be cut out of pooled features: this stage uses mixup.")
        kind = "mixup"
    return mix_batches(batches, kind, settings.mix_alpha, settings.seed, first_step=first_step)
