"""Which photos must stay together, and how to share them out so that every side has its part."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from kerasrecipes.data.examples import CLASS, Examples
from kerasrecipes.errors import DataError, printable

SIDES = ("train", "val", "test")
Unit = list[int]  # indices of photos that must stay together
_ATTEMPTS = 20
_MANY_UNITS = 2000


def join_units(
    examples: Examples, by_group: bool, near: bool, among: Iterable[int] | None = None
) -> list[Unit]:
    """Join the examples that must stay together, and return those `among` the given ones."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    items = examples.items
    groups = examples.groups if by_group else [None] * len(items)
    keys: list[Sequence[str | None]] = [[item.key for item in items], examples.wholes, groups]
    pairs: list[tuple[int, int]] = []
    for names in keys:
        first: dict[str, int] = {}
        of_first = ((i, first.setdefault(n, i)) for i, n in enumerate(names) if n is not None)
        pairs += [(i, j) for i, j in of_first if i != j]
    for i, j in examples.near_duplicates() if near else []:
        if groups[i] is None or groups[j] is None:
            pairs.append((i, j))
    ends = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(pairs)), ends), shape=(len(items), len(items)))
    unit_of = connected_components(graph, directed=False)[1]
    some = np.arange(len(items)) if among is None else np.array(list(among), np.int64)
    some = some[np.argsort(unit_of[some], kind="stable")]
    cuts = np.flatnonzero(np.diff(unit_of[some])) + 1
    # Of very many examples nearly all are alone: lists of one length take the least memory.
    whole = some.tolist()
    return [whole[a:b] for a, b in pairwise([0, *cuts.tolist(), len(whole)]) if a < b]


def stratify(
    examples: Examples,
    among: Iterable[int],
    units: list[Unit],
    fractions: dict[str, float],
    seed: int,
) -> dict[str, list[int]]:
    """Place whole units so that every side comes close to its share of every class."""
    sides = [side for side in SIDES if side == "train" or fractions.get(side, 0) > 0]
    strata = examples.all_strata()
    contents = _in_order_of_content(examples, units)
    counts = _counted(contents, strata)
    totals = Counter(stratum for i in among for stratum in strata[i])
    targets = _targets(totals, sides, fractions)
    _check_enough_units(examples, counts, sides)
    best, best_cost = [], (np.inf, np.inf)
    # Among very many units the first attempt is as good as any.
    for attempt in range(_ATTEMPTS if len(units) <= _MANY_UNITS else 3):
        chosen = _place(counts, targets, np.random.default_rng([seed, attempt]))
        cost = _cost(counts, chosen, targets)
        if cost < best_cost:
            best, best_cost = chosen, cost
        if cost == (0, 0):
            break
    if best_cost[0]:
        _refuse_gaps(examples, counts, best, sides)
    result: dict[str, list[int]] = {side: [] for side in SIDES}
    for unit, side in zip(contents, best, strict=True):
        result[sides[side]] += unit
    return result


def _counted(units: list[Unit], strata: list[tuple[int, ...]]) -> list[Counter[int]]:
    """Count the strata in each unit; units in which the same are share what says so."""
    known: dict[tuple[int, ...], Counter[int]] = {}
    found = (tuple(stratum for i in unit for stratum in strata[i]) for unit in units)
    return [known.get(one) or known.setdefault(one, Counter(one)) for one in found]


def _in_order_of_content(examples: Examples, units: list[Unit]) -> list[Unit]:
    """Order units by what is in them, so that file names and disks do not matter."""
    items = examples.items
    return sorted(
        units,
        key=lambda unit: min((items[i].key, str(items[i].label)) for i in unit),
    )


def _targets(
    totals: Counter[int], sides: list[str], fractions: dict[str, float]
) -> dict[int, np.ndarray]:
    """Whole numbers of photos per class and side, at least one each."""
    targets = {}
    for label, total in totals.items():
        held_out = [max(1, round(total * fractions[side])) for side in sides[1:]]
        targets[label] = np.array([max(1, total - sum(held_out)), *held_out], dtype=float)
    return targets


def _place(
    counts: list[Counter[int]], targets: dict[int, np.ndarray], rng: np.random.Generator
) -> list[int]:
    """Give each unit, rarest class and largest first, to the side that it helps most."""
    units_of = Counter(label for count in counts for label in count)
    shuffled = rng.permutation(len(counts)).tolist()
    order = sorted(
        shuffled,
        key=lambda u: (min(units_of[label] for label in counts[u]), -counts[u].total()),
    )
    # Plain numbers: for two or three sides they take a tenth of the time that arrays do.
    wanted = {label: target.tolist() for label, target in targets.items()}
    have = {label: [0.0] * len(target) for label, target in wanted.items()}
    chosen = [0] * len(counts)
    for u in order:
        # The change of the sum of (have - target)**2 / target that this unit would cause.
        change = [0.0] * len(next(iter(wanted.values())))
        for label, n in counts[u].items():
            for side, (now, target) in enumerate(zip(have[label], wanted[label], strict=True)):
                change[side] += n * (n + 2 * (now - target)) / target
        chosen[u] = change.index(min(change))
        for label, n in counts[u].items():
            have[label][chosen[u]] += n
    return chosen


def _cost(
    counts: list[Counter[int]], chosen: list[int], targets: dict[int, np.ndarray]
) -> tuple[float, float]:
    """Number of classes that a side lacks, then the distance from the targets."""
    have = {label: np.zeros_like(target) for label, target in targets.items()}
    for count, side in zip(counts, chosen, strict=True):
        for label, n in count.items():
            have[label][side] += n
    lacking = sum(int((row == 0).sum()) for row in have.values())
    return lacking, float(sum(((have[k] - t) ** 2 / t).sum() for k, t in targets.items()))


def _check_enough_units(examples: Examples, counts: list[Counter[int]], sides: list[str]) -> None:
    units_of = Counter(label for count in counts for label in _needed(examples, count))
    photos_of: Counter[int] = Counter()
    for count in counts:  # `sum` would copy all classes for each unit
        photos_of.update(count)
    short = [label for label in sorted(units_of) if units_of[label] < len(sides)]
    if not short and len(counts) < len(sides):
        raise DataError(
            f"{len(examples)} photos are too few to split into {', '.join(sides)}: those of one "
            f"group and those that look alike stay together, which leaves {len(counts)}. Add "
            "photos of other objects."
        )
    if not short:
        return
    kind, one = ("classes", "class") if examples.target == CLASS else ("labels", "label")
    shown = ", ".join(
        f"'{printable(examples.stratum_name(label))}' ({photos_of[label]} photos, "
        f"{units_of[label]} independent)"
        for label in short[:5]
    )
    raise DataError(
        f"{len(short)} {kind} are too small to split into {', '.join(sides)}: {shown}. Photos of "
        "one group and photos that look alike stay together, so a side would have none of the "
        f"{one}, and the model could not learn it or would not be tested on it. Add photos of "
        f"other objects (at least {len(sides)} per {one}), or pass "
        + ("test_fraction=0, or " if "test" in sides else "")
        + "near=False if photos that look alike show different things."
    )


def _needed(examples: Examples, strata: Iterable[int]) -> list[int]:
    """Return those that every side must have: classes and labels, but no range of numbers."""
    return [stratum for stratum in strata if stratum < len(examples.class_names)]


def _refuse_gaps(
    examples: Examples, counts: list[Counter[int]], chosen: list[int], sides: list[str]
) -> None:
    there: list[set[int]] = [set() for _ in sides]
    for count, side in zip(counts, chosen, strict=True):
        there[side] |= set(count)
    classes = set().union(*there)
    gaps = [
        f"{side} has no '{printable(examples.stratum_name(label))}'"
        for side, found in zip(sides, there, strict=True)
        for label in sorted(_needed(examples, classes - found))
    ]
    empty = [side for side, found in zip(sides, there, strict=True) if not found]
    if empty and not gaps:
        raise DataError(
            f"No split was found in which {', '.join(sides)} all have photos: nothing is left for "
            f"{', '.join(empty)}. Some groups hold too large a share. Add photos of other groups, "
            "or pass another seed or test_fraction=0."
        )
    if not gaps:
        return
    kind, one = ("classes", "class") if examples.target == CLASS else ("labels", "label")
    raise DataError(
        f"No split was found in which {', '.join(sides)} have photos of every {one}: "
        f"{'; '.join(gaps[:5])}. Groups that hold several {kind} leave too little choice. Add "
        "photos of other groups, or pass another seed or test_fraction=0."
    )
