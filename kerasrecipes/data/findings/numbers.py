"""Checks of the numbers that photos are answered with: grades, strays, gaps between sides."""

import numpy as np

from kerasrecipes.data.findings.finding import Finding, Placed, things

_GRADES = 10  # so few different whole numbers are likely names
_PHOTOS_PER_GRADE = 5
_FAR = 10  # times the middle half's width away from it: a slip of the pen rather than a part


def find_grades(placed: Placed) -> list[Finding]:
    """Report numbers that look like names of grades."""
    numbers = np.array([item.label for item in placed.items])
    different = np.unique(numbers)
    few = len(different) <= min(_GRADES, len(numbers) / _PHOTOS_PER_GRADE)
    if not few or not (different == np.rint(different)).all():
        return []
    message = (
        f"There are only {things(len(different), 'different number')}, all whole. If they are "
        "grades, read them as classes: label= with the name of the column, classes='by value' "
        "and the head 'ordinal'."
    )
    examples = tuple(f"{number:g}" for number in different[:5])
    return [Finding("grades", "info", message, len(different), examples)]


def find_strays(placed: Placed) -> list[Finding]:
    """Report numbers that are far from all others."""
    numbers = np.array([item.label for item in placed.items])
    low, high = np.quantile(numbers, [0.25, 0.75]) if len(numbers) else (0.0, 0.0)
    reach = _FAR * (high - low)
    far = np.flatnonzero((numbers < low - reach) | (numbers > high + reach))
    if not reach or not len(far):
        return []
    message = (
        f"{things(len(far), 'photo has a number', 'photos have numbers')} far from all others "
        f"(half of them lie from {low:g} to {high:g}). One slip of the pen weighs as much as "
        "hundreds of photos in a squared error: look at them."
    )
    names = placed.examples(far.tolist())
    examples = tuple(f"{name}: {numbers[i]:g}" for name, i in zip(names, far, strict=False))
    return [Finding("far-numbers", "warning", message, len(far), examples)]


def find_beyond_training(placed: Placed) -> list[Finding]:
    """Report that a side has numbers beyond those of the training photos."""
    sides = placed.numbers()
    if not placed.is_split or "train" not in sides:
        return []
    low, high = sides["train"][0], sides["train"][-1]
    findings = []
    for side, numbers in sides.items():
        beyond = numbers[(numbers < low) | (numbers > high)]
        if len(beyond):
            message = (
                f"{things(len(beyond), 'photo', 'photos')} of {side} "
                f"{'has a number' if len(beyond) == 1 else 'have numbers'} outside those of "
                f"train, {low:g} to {high:g}. A model is not to be trusted there: add photos."
            )
            examples = tuple(f"{number:g}" for number in beyond[:5])
            findings.append(Finding("beyond-training", "info", message, len(beyond), examples))
    return findings


CHECKS = (find_grades, find_strays, find_beyond_training)
