"""Checks for photos that occur twice, above all on two sides of a split."""

from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import replace

from kerasrecipes.data.examples import CLASS, LABELS, NUMBER
from kerasrecipes.data.findings.finding import Finding, Placed, things
from kerasrecipes.data.tables.spelling import SPELLED, alike, in_one_spelling

_TOO_GOOD = "so the numbers measured on them are too good."


def find_exact_duplicates(placed: Placed) -> list[Finding]:
    """Report identical files: with two labels, on two sides, or merely double."""
    same = _same(placed, (item.key for item in placed.items))
    conflicts = [m for m in same if len({placed.items[i].label for i in m}) > 1]
    across = [m for m in same if len({placed.sides[i] for i in m}) > 1]
    double = [m for m in same if m not in across and m not in conflicts]
    findings = []
    if conflicts:
        answers = {CLASS: "two different labels", LABELS: "different labels", NUMBER: "two numbers"}
        message = (
            f"{things(len(conflicts), 'photo is', 'photos are')} there with "
            f"{answers[placed.target]}, so one of them is wrong. Keep the right one."
        )
        pairs = placed.pairs(
            _first_differing(m, [item.label for item in placed.items]) for m in conflicts
        )
        findings.append(Finding("conflicting-labels", "error", message, len(conflicts), pairs))
    if across:
        message = (
            f"{things(len(across), 'identical photo lies', 'identical photos lie')} on two sides "
            f"of the split, {_TOO_GOOD} Split again with split_photos, which keeps them together."
        )
        pairs = placed.pairs(_first_differing(m, placed.sides) for m in across)
        findings.append(
            Finding("duplicates-across-splits", "error", message, len(across), pairs, leak=True)
        )
    if double:
        message = (
            f"{things(len(double), 'photo is', 'photos are')} there more than once. Copies count "
            "double in training; remove them if they are no purpose."
        )
        pairs = placed.pairs((m[0], m[1]) for m in double)
        findings.append(Finding("duplicates", "warning", message, len(double), pairs))
    return findings


def find_group_leaks(placed: Placed) -> list[Finding]:
    """Report groups on two sides, and photos whose group nobody declared."""
    groups = in_one_spelling(item.group for item in placed.items)
    findings = []
    across = [m for m in _same(placed, groups) if len({placed.sides[i] for i in m}) > 1]
    if across:
        total = len({group for group in groups if group is not None})
        message = (
            f"{len(across)} of {total} groups lie on two sides of the split, {_TOO_GOOD} Split "
            "with split_by='group' (on the command line --split-by group)."
        )
        pairs = placed.pairs(_first_differing(m, placed.sides) for m in across)
        findings.append(
            Finding("groups-across-splits", "error", message, len(across), pairs, leak=True)
        )
    without = [i for i, group in enumerate(groups) if group is None]
    if 0 < len(without) < len(groups):
        message = (
            f"{things(len(without), 'photo has', 'photos have')} no group while others have one: "
            "whether it leaks cannot be known. Declare all groups."
        )
        findings.append(
            Finding("missing-groups", "warning", message, len(without), placed.examples(without))
        )
    return findings


def find_same_groups(placed: Placed) -> list[Finding]:
    """Report groups that a person would read as the same, and that are taken for one."""
    same = alike(item.group for item in placed.items if item.group is not None)
    if not same:
        return []
    message = (
        f"{things(len(same), 'group is', 'groups are')} written in several ways, which {SPELLED} "
        "and are taken for one. Write it in one way, or rename those that are not the same."
    )
    examples = placed.spellings(same, lambda item: (item.group,))
    return [Finding("same-groups", "warning", message, len(same), examples)]


def find_near_duplicates(placed: Placed) -> list[Finding]:
    """Report photos that look the same; where groups are declared, they decide what leaks."""
    if not placed.near:
        return []
    pairs = placed.sets[0].with_items(placed.items).near_duplicates()
    groups, sides = in_one_spelling(item.group for item in placed.items), placed.sides
    across = [(i, j) for i, j in pairs if sides[i] != sides[j]]
    known = {(i, j) for i, j in across if None not in (groups[i], groups[j])}
    leaks = [pair for pair in across if pair not in known]
    other = sorted((i, j) for i, j in known if groups[i] != groups[j])
    inside = [] if placed.is_split else pairs
    found = (
        (
            Finding("near-duplicates-across-splits", "error", "", len(leaks), leak=True),
            leaks,
            f"that look the same lie on two sides of the split, {_TOO_GOOD} Split again with "
            "split_photos, or declare what they show as group.",
        ),
        (
            Finding("look-alikes-across-splits", "warning", "", len(other)),
            other,
            "that look the same, but are declared as different groups, lie on two sides of the "
            "split. Check the groups.",
        ),
        (
            Finding("near-duplicates", "info", "", len(inside)),
            inside,
            "look the same. split_photos keeps them on one side unless they are declared as "
            "different groups.",
        ),
    )
    return [
        replace(
            finding,
            message=f"{things(len(pairs), 'pair')} of photos {text}",
            examples=placed.pairs(pairs),
        )
        for finding, pairs, text in found
        if pairs
    ]


def _same(placed: Placed, keys: Iterable[Hashable]) -> list[list[int]]:
    """Return lists of photos that have a key in common."""
    members = defaultdict(list)
    for i, key in enumerate(keys):
        if key is not None:
            members[key].append(i)
    return [found for found in members.values() if len(found) > 1]


def _first_differing(members: list[int], values: list | tuple) -> tuple[int, int]:
    """Return a pair of members that differ in their value."""
    return members[0], next(i for i in members if values[i] != values[members[0]])


CHECKS = (find_exact_duplicates, find_same_groups, find_group_leaks, find_near_duplicates)
