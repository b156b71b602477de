"""Numbers as people say them."""

import math

from kerasrecipes.statistics.estimate import Estimate


def duration(seconds: float) -> str:
    """Write a wall time.

    Example:
        >>> duration(1.24), duration(12.3), duration(125), duration(7500)
        ('1.2 s', '12 s', '2 min 5 s', '2 h 5 min')
    """
    if not math.isfinite(seconds):
        return "–"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s" if seconds >= 10 else f"{seconds:.1f} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def size(size_bytes: float | None) -> str:
    """Write the size of a file.

    Example:
        >>> size(5.31e9), size(3_981_312), size(812), size(None)
        ('5.3 GB', '4.0 MB', '0.8 kB', '–')
    """
    if size_bytes is None:
        return "–"
    if size_bytes >= 1e9:
        return f"{size_bytes / 1e9:.1f} GB"
    return f"{size_bytes / 1e6:.1f} MB" if size_bytes >= 1e5 else f"{size_bytes / 1e3:.1f} kB"


def share(part: float, whole: float) -> str:
    """Write a part of a whole, with a digit more where it is small.

    Example:
        >>> share(1, 5), share(1281, 3_400_000), share(0, 5)
        ('20%', '0.038%', '0%')
    """
    value = part / whole if whole else 0.0
    return f"{value:.0%}" if value >= 0.1 or value == 0 else f"{float(f'{100 * value:.2g}'):g}%"


def found_of(found: int, support: int, name: str, recall: Estimate, noun: str = "photo") -> str:
    """Say what share of a class was found, with what the interval means for it.

    Example:
        >>> found_of(84, 100, "defective", Estimate(0.84, 0.756, 0.899))
        'Of 100 “defective” photos, 84 were found (84%; likely between 76% and 90%).'
    """
    if not support:
        return f"There was no “{name}” {noun} to test on."
    photos = noun if support == 1 else f"{noun}s"
    verb = "was" if found == 1 else "were"
    return (
        f"Of {support:,} “{name}” {photos}, {found:,} {verb} found "
        f"({recall.value:.0%}; likely between {recall.low:.0%} and {recall.high:.0%})."
    )
