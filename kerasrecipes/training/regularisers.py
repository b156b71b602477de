"""Whether what shall hold a backbone's training back can have an effect."""

from kerasrecipes.training.schedule import UnfreezeSchedule

# Argument of a recipe → its value that does nothing.
FOR_OPEN_BLOCKS = {"l2_sp": 0.0, "adaptive_clip": None}


def check_regularisers(recipe, schedule: UnfreezeSchedule) -> None:
    """Refuse what would do nothing with this schedule.

    Args:
        recipe: An `ImageClassifier`.
        schedule: Its stages.

    Raises:
        ValueError: If an argument acts on open blocks, and no stage opens any.
    """
    if any(stage.open_fraction > 0 for stage in schedule.stages):
        return
    for name, nothing in FOR_OPEN_BLOCKS.items():
        if getattr(recipe, name) != nothing:
            raise ValueError(
                f"`{name}={getattr(recipe, name)!r}` would have no effect: it acts on open blocks "
                "of the backbone, and no stage of the schedule opens any. Leave it out, or pass "
                "e.g. UnfreezeSchedule.two_phase()."
            )
