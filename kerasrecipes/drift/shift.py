"""What one test of a look found, and how several tests count as one."""

import math
from dataclasses import dataclass

from kerasrecipes.arguments import named
from kerasrecipes.statistics.two_sample import any_of

# What a test is about; the labels are those that people gave later.
INPUTS, FEATURES, ANSWERS, LABELS = "inputs", "features", "answers", "labels"
FAMILIES = (INPUTS, FEATURES, ANSWERS, LABELS)
# What counts as seeing a change: four of five times.
POWER = 0.8


@named
@dataclass(frozen=True)
class Shift:
    """What one test found.

    Args:
        family: `"inputs"`, `"features"`, `"answers"` or `"labels"`.
        name: What was compared, e.g. `"brightness"`.
        p_value: How likely such a difference is if nothing has changed, this test alone.
        effect: 0 for none. Of numbers the largest gap between the cumulative distributions, of
            classes the share that would have to change, of features a distance, of what must not
            fall how far it fell.
        before: Mean of the reference; NaN where there is none.
        now: Mean of the new examples.
    """

    family: str
    name: str
    p_value: float
    effect: float
    before: float = math.nan
    now: float = math.nan


def p_of_look(shifts: tuple[Shift, ...]) -> float:
    """Return how likely any family would differ so much, if nothing has changed."""
    families = {one.family for one in shifts}
    return any_of([family_p(shifts, name) for name in sorted(families)])


def family_p(shifts: tuple[Shift, ...], family: str) -> float:
    """Return the same of one family alone."""
    return any_of([one.p_value for one in shifts if one.family == family])
