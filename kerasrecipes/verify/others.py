"""What a file answers besides its first answer, beside what the original model does."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.verify.tolerance import Tolerance


def compare_others(
    found: Mapping[str, np.ndarray],
    expected: Mapping[str, np.ndarray],
    outputs: Sequence[OutputSpec],
    tolerance: Tolerance,
) -> Iterator[str]:
    """Say which answers of a file are not those of the original.

    They must go together by as much as top classes must agree; and where there is a threshold, lie
    on the same side of it.

    Args:
        found: What the file answers, by name.
        expected: What the original does, of the same examples; what is not in it is not compared.
        outputs: What they are.
        tolerance: The limits.

    Yields:
        One line for each limit that is broken.
    """
    for output in outputs:
        if output.name not in expected:
            continue
        answers, reference = found[output.name], expected[output.name]
        together = _correlation(answers.ravel(), reference.ravel())
        if not together >= tolerance.min_agreement:  # also of NaN
            yield (
                f"{output.name} goes together with the original's by {together:.4f}, less than "
                f"{tolerance.min_agreement:g}"
            )
        if output.thresholds:
            sides = (answers >= output.thresholds) == (reference >= output.thresholds)
            share, count = float(sides.all(axis=1).mean()), len(sides)
            if not tolerance.allows_flips(share, count):
                yield (
                    f"{output.name} of {share:.4f} of {count} photos is on the same side of its "
                    f"threshold, which is below {tolerance.min_agreement:g}"
                )


def _correlation(answers: np.ndarray, reference: np.ndarray) -> float:
    if not np.isfinite(answers).all():
        return float("nan")
    if np.ptp(reference) == 0 or np.ptp(answers) == 0:
        return float(np.allclose(answers, reference))
    return float(np.corrcoef(answers, reference)[0, 1])
