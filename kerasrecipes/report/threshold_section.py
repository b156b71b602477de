"""Which thresholds of a model can be moved on its page, and what stands above them."""

from collections.abc import Iterator

import numpy as np

from kerasrecipes.data.specs import DEFAULT_THRESHOLD, OutputSpec
from kerasrecipes.errors import DataError
from kerasrecipes.evaluation.operating.thresholds import AlarmScores
from kerasrecipes.report.section import Section
from kerasrecipes.report.threshold_slider import ThresholdSlider
from kerasrecipes.statistics.shown import in_words_of

# Of so many labels a page stays small.
MOST_LABELS = 200
_Asked = tuple[AlarmScores, float | None]


def threshold_sections(
    output: OutputSpec,
    targets: np.ndarray,
    answers: np.ndarray,
    groups: np.ndarray | None = None,
    noun: str = "photo",
) -> list[Section]:
    """Make the section on which a reader moves a threshold.

    Args:
        output: What the model answers with.
        targets: What its validation examples should be answered with.
        answers: What it said of them, shape `(n, width)`.
        groups: The group of each example, of which the worst counts; see `AlarmScores`.
        noun: What an example is called.

    Returns:
        One section; none if the model has no question of yes or no, or its examples have no
        answer of each kind.
    """
    asked = list(_questions(output, np.asarray(targets), np.asarray(answers), groups))
    left_out = max(0, len(asked) - MOST_LABELS)
    asked = (
        sorted(asked, key=lambda one: -len(one[0].positive))[:MOST_LABELS] if left_out else asked
    )
    if not asked:
        return []
    told = (
        "Move the threshold and see what it costs, on the photos of the validation split: they "
        "may choose it, and the test photos then show whether it holds. The ranges are 95% "
        "intervals. kerasrecipes operate chooses one for you and writes it into the model.",
        "Of a group the worst photo counts." if asked[0][0].item == "groups" else "",
        f"{left_out} labels with the fewest photos are left out." if left_out else "",
    )
    words = tuple(in_words_of((noun, f"{noun}s"), line) for line in told)
    return [Section("From which score on to act", words, slider=ThresholdSlider.of(asked))]


def _questions(
    output: OutputSpec, targets: np.ndarray, answers: np.ndarray, groups: np.ndarray | None
) -> Iterator[_Asked]:
    names, alarm = output.class_names, output.alarm
    if output.task == "multi_label":
        for k, (name, limit) in enumerate(zip(names, output.limits(), strict=True)):
            yield from _asked(answers[:, k], targets[:, k] > 0.5, (name,), groups, float(limit))
    elif output.task == "classification" and (alarm is not None or len(names) == 2):
        about = [(name,) for name in reversed(names)] if alarm is None else [alarm.classes]
        chosen = (
            alarm.threshold if alarm is not None else None if output.rule else DEFAULT_THRESHOLD
        )
        for classes in about:
            columns = [i for i, name in enumerate(names) if name in classes]
            scores = answers[:, columns].astype(np.float64).sum(axis=1)
            yield from _asked(scores, np.isin(targets, columns), classes, groups, chosen)


def _asked(
    scores: np.ndarray,
    yes: np.ndarray,
    about: tuple[str, ...],
    groups: np.ndarray | None,
    chosen: float | None,
) -> Iterator[_Asked]:
    try:
        yield AlarmScores.split(scores.astype(np.float64), yes, about, groups), chosen
    except DataError:  # all are of one kind, of which no threshold could be judged
        return
