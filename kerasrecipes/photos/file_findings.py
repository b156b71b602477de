"""Checks of single files: unreadable, misnamed, more than 8 bits, tiny, huge and the like."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from kerasrecipes.data.findings.finding import (
    EXAMPLES,
    Finding,
    Placed,
    left_out,
    passed_over,
    things,
)
from kerasrecipes.photos.decoding.names import EXTENSIONS

if TYPE_CHECKING:
    from kerasrecipes.photos.photo_set import Photo

_TINY_SIDE = 64
_HUGE_PIXELS = 25_000_000


def find_excluded(placed: Placed) -> list[Finding]:
    """Report what scanning left out, and why."""
    cannot = "cannot be used and will not be trained on. Repair or remove them."
    return left_out(placed, "unreadable", "warning", "file", cannot)


def find_decided(placed: Placed) -> list[Finding]:
    """Report what people decided to leave out."""
    told = "left out by decision. Results are better without what nobody could tell."
    return left_out(placed, "decided", "info", "file", told, chosen=True)


def find_ignored(placed: Placed) -> list[Finding]:
    """Report files and folders that were passed over."""
    return passed_over(placed, "photo")


def find_misnamed(placed: Placed) -> list[Finding]:
    """Report photos whose extension belongs to another format."""
    return _photos(
        placed,
        lambda p: (
            p.content is None
            and not p.path.name.lower().endswith(EXTENSIONS[p.facts.image_format])
            and not p.path.parent.is_file()  # nobody can rename what lies in another file
        ),
        "misnamed",
        "warning",
        "have",
        "the extension of another format. They are read by their content here; other "
        "programs may refuse them. Rename them.",
        lambda p: f" is {p.facts.image_format}",
    )


def find_deep(placed: Placed) -> list[Finding]:
    """Report photos of more than 8 bits, above all if the declared range looks wrong."""
    deep = [
        p for p in placed.items if p.facts.max_value is not None and p.facts.image_format != "PPM"
    ]
    if not deep:
        return []
    peak, declared = max(p.facts.max_value for p in deep), placed.sets[0].policy.max_16bit
    fits = next((bits for bits in (10, 12, 14) if peak < 2**bits), 16)
    message = (
        f"{things(len(deep), 'photo has', 'photos have')} more than 8 bits. Scaled so that "
        f"{declared} is white; the brightest pixel is {peak}."
    )
    wrong = 2 * (2**fits - 1) < declared
    if wrong:
        message += (
            f" That looks like {fits} bits, so the photos come out dark: "
            f"pass max_16bit={2**fits - 1} in the DecodePolicy."
        )
    examples = tuple(f"{placed.name(p.path)}: {p.facts.max_value}" for p in deep[:EXAMPLES])
    severity = "warning" if wrong else "info"
    return [Finding("16-bit", severity, message, len(deep), examples)]


def find_cmyk(placed: Placed) -> list[Finding]:
    """Report photos in printing colours."""
    return _photos(
        placed,
        lambda p: p.facts.mode == "CMYK",
        "cmyk",
        "warning",
        "are",
        "in CMYK and are converted without their colour profile. Save them as RGB if colours "
        "matter.",
    )


def find_animated(placed: Placed) -> list[Finding]:
    """Report animations and files with several pages."""
    return _photos(
        placed,
        lambda p: p.facts.frames > 1,
        "animated",
        "warning",
        "have",
        "several frames or pages, of which only the first is used. Save the others as files "
        "of their own if they matter.",
    )


def find_tiny(placed: Placed) -> list[Finding]:
    """Report photos with hardly any pixels."""
    return _photos(
        placed,
        lambda p: min(p.facts.width, p.facts.height) < _TINY_SIDE,
        "tiny",
        "warning",
        "have",
        f"a side shorter than {_TINY_SIDE} pixels and will be blurred when enlarged. Use the "
        "originals if these are previews.",
        _size,
    )


def find_huge(placed: Placed) -> list[Finding]:
    """Report photos that are slow to decode."""
    return _photos(
        placed,
        lambda p: p.facts.width * p.facts.height > _HUGE_PIXELS,
        "huge",
        "info",
        "have",
        "more than 25 megapixels: they are slow to read, and small faults vanish when the photo is "
        "shrunk. Consider cutting or shrinking them once.",
        _size,
    )


def find_unknown_parts(placed: Placed) -> list[Finding]:
    """Report photos without a file or a group, of which nothing says what they belong to."""
    unknown = [i for i, p in enumerate(placed.items) if p.content is not None and p.group is None]
    if not unknown:
        return []
    message = (
        f"{things(len(unknown), 'photo comes', 'photos come')} without files, so that nothing is "
        "known of them but their pixels: copies are found, but two photos of one part may lie on "
        "two sides of a split. Pass `groups` if there are several of one part."
    )
    examples = placed.examples(unknown)
    return [Finding("unknown-parts", "info", message, len(unknown), examples)]


def _size(photo: "Photo") -> str:
    return f": {photo.facts.width}x{photo.facts.height}"


def _photos(
    placed: Placed,
    concerns: Callable[["Photo"], bool],
    code: str,
    severity: str,
    verb: str,
    text: str,
    detail: Callable[["Photo"], str] = lambda photo: "",
) -> list[Finding]:
    found = [photo for photo in placed.items if concerns(photo)]
    if not found:
        return []
    examples = tuple(placed.name(photo.path) + detail(photo) for photo in found[:EXAMPLES])
    one, many = {"have": ("has", "have"), "are": ("is", "are")}[verb]
    message = f"{things(len(found), f'photo {one}', f'photos {many}')} {text}"
    return [Finding(code, severity, message, len(found), examples)]


CHECKS = (
    find_excluded,
    find_decided,
    find_misnamed,
    find_deep,
    find_cmyk,
    find_animated,
    find_tiny,
    find_huge,
    find_ignored,
    find_unknown_parts,
)
