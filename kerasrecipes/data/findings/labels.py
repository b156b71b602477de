"""Checks of the labels: double spelling, too few photos, imbalance."""

from collections import Counter

from kerasrecipes.data.examples import CLASS, LABELS
from kerasrecipes.data.findings.finding import EXAMPLES, Finding, Placed, things
from kerasrecipes.data.tables.spelling import SPELLED, alike
from kerasrecipes.errors import printable

# What a label is called, by what the photos are answered with.
_NOUNS = {CLASS: ("class", "classes"), LABELS: ("label", "labels")}
_FEW = 10
_IMBALANCE, _UNEVEN = 10, 1.5


def find_same_labels(placed: Placed) -> list[Finding]:
    """Report labels that a person would read as the same."""
    same = alike(name for one in placed.sets for name in one.class_names)
    if not same:
        return []
    one, many = _NOUNS[placed.target]
    message = (
        f"{things(len(same), f'{one} is', f'{many} are')} written in several ways, which {SPELLED} "
        "and count as different. Rename them to one."
    )
    examples = placed.spellings(same, placed.sets[0].names_of)
    return [Finding("same-labels", "error", message, len(same), examples)]


def find_small_classes(placed: Placed) -> list[Finding]:
    """Report classes with too few photos to learn or to measure."""
    counts = _totals(placed)
    one, many = _NOUNS[placed.target]
    findings = []
    for low, high, severity, text in (
        (
            0,
            2,
            "error",
            f"fewer than 2 photos and cannot be split. Add photos or remove the {one}.",
        ),
        (
            2,
            _FEW,
            "warning",
            f"fewer than {_FEW} photos: what is measured for it is mostly chance. Add photos.",
        ),
    ):
        small = {name: n for name, n in counts.items() if low <= n < high}
        if small:
            message = f"{things(len(small), f'{one} has', f'{many} have')} {text}"
            examples = tuple(f"{name}: {n}" for name, n in sorted(small.items())[:EXAMPLES])
            findings.append(Finding("small-classes", severity, message, len(small), examples))
    return findings


def find_imbalance(placed: Placed) -> list[Finding]:
    """Report that the largest class or label is many times the smallest."""
    counts = {name: n for name, n in _totals(placed).items() if n}
    if not counts:
        return []
    (largest, most), (smallest, least) = (
        max(counts.items(), key=lambda c: c[1]),
        min(counts.items(), key=lambda c: c[1]),
    )
    if most <= _UNEVEN * least:
        return []
    grave, of_class, ratio = most > _IMBALANCE * least, placed.target == CLASS, most / least
    times = f"{ratio:.0f}" if grave else f"{ratio:.1f}"
    then = {
        (True, True): "Accuracy will look good whatever happens to the small one: read balanced "
        "accuracy and recall.",
        (True, False): "Numbers over all labels will look good whatever happens to the rare one: "
        "read those of each label.",
        (False, True): f"To say '{printable(largest)}' of all would be right for "
        f"{most / sum(counts.values()):.0%} of them: read balanced accuracy and recall, too.",
        (False, False): "Read the numbers of each label, too.",
    }[grave, of_class]
    said = (
        f"The largest class has {times} times the photos of the smallest."
        if of_class
        else f"The most frequent label is on {times} times the photos of the rarest."
    )
    examples = (f"{largest}: {most}", f"{smallest}: {least}")
    severity = "warning" if grave else "info"
    return [Finding("imbalance", severity, f"{said} {then}", len(counts), examples)]


def find_missing_classes(placed: Placed) -> list[Finding]:
    """Report classes that one side of the split lacks."""
    if not placed.is_split:
        return []
    findings = []
    one, many = _NOUNS[placed.target]
    for side, counts in placed.counts().items():
        lacking = [name for name, n in counts.items() if n == 0]
        if lacking:
            then = "cannot be learned" if side == "train" else f"is not measured in {side}"
            message = (
                f"{side} has no photo of {things(len(lacking), one, many)}, which "
                f"{then}. Add photos or split again."
            )
            severity = "error" if side == "train" else "warning"
            examples = tuple(lacking[:EXAMPLES])
            findings.append(Finding("missing-classes", severity, message, len(lacking), examples))
    return findings


def find_empty_labels(placed: Placed) -> list[Finding]:
    """Report labels that tell no photo from another, and photos that have none."""
    if placed.target != LABELS:
        return []
    findings = []
    always = [name for name, n in _totals(placed).items() if n == len(placed.items)]
    if always:
        message = (
            f"{things(len(always), 'label is', 'labels are')} on every photo, so what they mean "
            "cannot be learned. Add photos without them, or leave them out."
        )
        findings.append(
            Finding("constant-labels", "warning", message, len(always), tuple(always[:EXAMPLES]))
        )
    bare = [i for i, item in enumerate(placed.items) if not item.label]
    if bare:
        message = (
            f"{things(len(bare), 'photo has', 'photos have')} no label and count as having none. "
            "If nobody has looked at them yet, leave them out."
        )
        findings.append(
            Finding("without-labels", "info", message, len(bare), placed.examples(bare))
        )
    return findings


def _totals(placed: Placed) -> Counter[str]:
    totals: Counter[str] = Counter()
    for counts in placed.counts().values():
        for name, n in counts.items():
            totals[name] += n
    return totals


CHECKS = (
    find_same_labels,
    find_small_classes,
    find_missing_classes,
    find_imbalance,
    find_empty_labels,
)
