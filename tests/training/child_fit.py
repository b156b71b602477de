"""Fits tiny recipes in a process of its own: `child_fit.py PHOTOS TO '{"fits": {name: changes}}'`.

Each fit leaves `TO/name.npz`, its weights; the last line printed is the losses, by name. A fit
with "cut": n, and a "run_folder", ends in the epoch after n, and is begun again and resumed.
"""

import json
import sys
from pathlib import Path

import numpy as np
from tiny_backbone import tiny_backbone

from kerasrecipes import ImageClassifier, UnfreezeSchedule, scan_photos, split_photos


def main(photos: str, to: str, request: str) -> None:
    request, folder = json.loads(request), Path(to)
    if request["cpus"] > 1:
        import tensorflow as tf

        (cpu,) = tf.config.list_physical_devices("CPU")
        logical = [tf.config.LogicalDeviceConfiguration()] * request["cpus"]
        tf.config.set_logical_device_configuration(cpu, logical)
    train, val, test = split_photos(scan_photos(photos), test_fraction=0.25, val_fraction=0.25)
    told = {}
    for name, changes in request["fits"].items():
        settings = {
            "image_size": (48, 48),
            "schedule": UnfreezeSchedule.two_phase(epochs=2, head_epochs=1, open_fraction=1.0),
            "views": 2,
            "batch_size": 7,
            "dropout": 0.0,
        }
        fit = {"verbose": False} | {
            key: changes.pop(key) for key in ("run_folder", "resume") if key in changes
        }
        cut = changes.pop("cut", None)
        recipe = ImageClassifier(tiny_backbone(), **{**settings, **changes})
        if cut is not None:
            cut_off(recipe, train, val, fit, cut)
            fit["resume"] = True
        report = recipe.fit(train, val, **fit)
        recipe.evaluate(test)
        told[name] = [
            value for stage in report.stages for key in ("loss", "val_loss", "accuracy")
            for value in stage.history[key]
        ]  # fmt: skip
        np.savez(folder / name, *recipe.model_.get_weights())
        if request["save"]:
            recipe.save(folder / request["save"])
    print(json.dumps(told))


def cut_off(recipe, train, val, fit: dict, epochs: int) -> None:
    """Fit until the middle of an epoch, counted over all stages; each before is written."""
    import keras

    from kerasrecipes.callbacks.exact_checkpoint import ExactCheckpoint

    class Cut(keras.callbacks.Callback):
        left = epochs

        def on_epoch_end(self, epoch, logs=None):
            self.left -= 1

        def on_train_batch_end(self, batch, logs=None):
            if self.left == 0:
                raise InterruptedError

    begin = ExactCheckpoint.__init__
    ExactCheckpoint.__init__ = lambda self, folder, every=1, **options: begin(
        self, folder, every=1, **options
    )
    try:
        recipe.fit(train, val, callbacks=[Cut()], **fit)
    except InterruptedError:
        return
    raise AssertionError("The fit was not cut off.")


if __name__ == "__main__":
    main(*sys.argv[1:])
