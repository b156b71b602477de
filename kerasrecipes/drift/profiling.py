"""Making a profile of photos for a model that was saved without one."""

from dataclasses import replace
from pathlib import Path

from kerasrecipes.arguments import named
from kerasrecipes.bundles.bundle import BundleFolder
from kerasrecipes.data.examples import Examples
from kerasrecipes.data.seen import refuse_seen
from kerasrecipes.drift.asked import asked
from kerasrecipes.drift.observed import group_keys, in_batches, observe_inputs
from kerasrecipes.drift.ordinary import with_windows
from kerasrecipes.drift.profile import ReferenceProfile
from kerasrecipes.heads import get_task


@named
def profile_bundle(
    bundle: BundleFolder | str | Path, photos: Examples | str | Path, *, seed: int = 0
) -> ReferenceProfile:
    """Sketch what a saved model is to find ordinary.

    Args:
        bundle: A bundle, or its folder, as for `detect_drift`; or a `.tflite` file.
        photos: Labelled examples that it was neither trained nor chosen on, best from several
            days: a scanned set, or a folder or table. With times, or groups of 50, the profile
            holds how their windows differ, too.
        seed: Seed of the sketch.

    Returns:
        The profile, for `detect_drift(..., reference=...)`.

    Raises:
        DataError: If the model was made with some of them, or does not know their classes.
        IntegrityError: If a file of the bundle was changed.
    """
    model = asked(bundle)
    examples = model.scan(photos)
    refuse_seen(model.seen, examples)
    targets = get_task(model.output.task).targets(examples, model.output)
    batches = in_batches(examples.each(model.input.shape), model.modality.padding)
    seen = observe_inputs(model.runner(), batches, len(examples), model.modality)
    groups = group_keys(examples.groups, [item.key for item in examples.items])
    seen = replace(seen, targets=targets, groups=groups)
    profile = ReferenceProfile.of(seen, model.output, model.modality.name, seed=seed)
    return with_windows(profile, seen, examples.items, seed)
