"""Good training photos again, each with a defect of a class drawn into it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.data.examples import CLASS
from kerasrecipes.errors import DataError, did_you_mean, is_number, listed, printable, unknown_name
from kerasrecipes.photos.decoding.decode import read_photo
from kerasrecipes.photos.decoding.masks import read_mask
from kerasrecipes.photos.decoding.policy import DecodePolicy
from kerasrecipes.photos.synthetic.drawing import DRAWN, KINDS, PASTE, Patch, paste

if TYPE_CHECKING:
    from kerasrecipes.photos.photo_set import Photo, PhotoSet

_MOST = 0.8


@named
@dataclass(frozen=True)
class SyntheticDefects:
    """What defects are drawn into good photos, and how many, for training alone.

    Args:
        classes: The class of a drawn defect → how it is drawn: `"paste"` cuts real ones out of
            training photos of the class by their masks, `"scratch"` draws a thin line, `"blob"` a
            patch of an irregular outline. `None` pastes for every class that has masks.
        share: The share of the photos of an epoch that are drawn. The class that has the fewest
            photos is filled up first, until it has as many as the next one, and so on.
        good: The class of the photos that are drawn into; `None` for the `good` of a
            `DefectDetector`.

    Raises:
        ValueError: If a share or a way to draw is not usable.

    Example:
        >>> SyntheticDefects({"crack": "scratch"}, share=0.1, good="free").share
        0.1
    """

    classes: Mapping[str, str] | None = None
    share: float = 0.2
    good: str | None = None

    def __post_init__(self) -> None:
        if not is_number(self.share, 0, _MOST) or not self.share:
            raise ValueError(
                f"`share` must be above 0 and at most {_MOST}, not {self.share!r}. To draw nothing "
                "leave `synthetic_defects` out."
            )
        if self.good is not None and not isinstance(self.good, str):
            raise ValueError(f"`good` must be a class, e.g. 'good', not {self.good!r}.")
        if self.classes is None:
            return
        if not isinstance(self.classes, Mapping) or not self.classes:
            raise ValueError(
                "`classes` must say how each class is drawn, e.g. {'crack': 'scratch'}, or be None "
                f"for masks, not {printable(repr(self.classes))}."
            )
        for name, kind in self.classes.items():
            if not isinstance(kind, str) or kind not in KINDS:
                see = "help(kerasrecipes.SyntheticDefects)"
                raise unknown_name(f"way to draw {printable(name)!r}", kind, KINDS, see)
        object.__setattr__(self, "classes", dict(self.classes))

    def to_dict(self) -> dict[str, Any]:
        """Return the arguments as plain data."""
        return asdict(self)

    def added_to(self, photos: "PhotoSet", seed: int, good: str | None = None) -> "PhotoSet":
        """Return photos, and behind them good ones that defects are drawn into.

        Args:
            photos: Training photos.
            seed: Seed of which are drawn into, and of what is drawn.
            good: The class of the good ones, where nothing is said of it here.

        Raises:
            DataError: If there is no such class, nothing to draw into, or nothing to paste.
        """
        photos.policy.check_picture("`synthetic_defects` are drawn into")
        if photos.target != CLASS:
            raise DataError(
                f"`synthetic_defects` needs photos with one class each, and these have "
                f"{photos.target}. Leave it out."
            )
        good = self._good_of(photos, good)
        ways = self._ways(photos, good)
        into = [photo for photo in photos.photos if photo.label == good]
        if not into:
            raise DataError(
                f"`synthetic_defects` would have no effect: there are no training photos of the "
                f"class {good!r} to draw into."
            )
        count = round(self.share / (1 - self.share) * len(photos))
        if not count:
            raise DataError(
                f"`synthetic_defects` would have no effect: a share of {self.share:g} of "
                f"{len(photos)} photos is less than one. Raise `share`, or leave it out."
            )
        counts = photos.counts()
        labels = _filled_up({name: counts[name] for name in ways}, count)
        rng = np.random.default_rng([seed, len(photos)])
        rounds = [rng.permutation(len(into)) for _ in range(-(-count // len(into)))]
        drawn = [
            replace(into[which], label=label, mask=None, synthetic=_Drawing(*ways[label], seed, i))
            for i, (which, label) in enumerate(zip(np.concatenate(rounds), labels, strict=False))
        ]
        return replace(photos, photos=(*photos.photos, *drawn))

    def _good_of(self, photos: "PhotoSet", good: str | None) -> str:
        if self.good is not None and good is not None and self.good != good:
            raise DataError(
                f"`synthetic_defects` names {self.good!r} as the class of good photos, and `good` "
                f"is {good!r}. Leave the first one out."
            )
        found = self.good if good is None else good
        if found is None:
            raise DataError(
                "`synthetic_defects` needs the class of the good photos. Pass e.g. good='good' "
                "(on the command line --set synthetic_defects.good=good)."
            )
        _check_class(found, photos)
        return found

    def _ways(self, photos: "PhotoSet", good: str) -> "dict[str, tuple[str, tuple[Photo, ...]]]":
        """Return for each class that is drawn how it is, and the photos that it is cut out of."""
        masked = {one.label for one in photos.photos if one.mask is not None and one.label != good}
        classes = self.classes
        if classes is None:
            classes = dict.fromkeys((name for name in photos.class_names if name in masked), PASTE)
        if not classes:
            raise DataError(
                "`synthetic_defects` has nothing to paste: no training photo of a defect has a "
                "mask. Scan a table with a column `mask`, or pass classes={'crack': 'scratch'}."
            )
        found = {}
        for name, kind in classes.items():
            _check_class(name, photos)
            if name == good:
                raise DataError(f"`synthetic_defects` cannot draw {name!r}: it is the good class.")
            donors = _donors(photos, name) if kind == PASTE else ()
            found[name] = (kind, donors)
        return found


@dataclass(frozen=True, slots=True)
class _Drawing:
    """One defect of one photo, another one in each view.

    Args:
        kind: How it is drawn.
        donors: Photos that it may be cut out of.
        seed: Seed of all that are drawn.
        number: Which one of these it is.
    """

    kind: str
    donors: "tuple[Photo, ...]"
    seed: int
    number: int

    @property
    def identity(self) -> tuple:
        """What the pixels of a view depend on, besides its number and the photo."""
        donors = tuple(f"{one.facts.sha256} {one.mask}" for one in self.donors)
        return self.kind, donors, self.seed, self.number

    def on(self, pixels: np.ndarray, view: int, policy: DecodePolicy) -> np.ndarray:
        """Draw one view of the defect.

        Args:
            pixels: The good photo, uint8 `(height, width, channels)`.
            view: Which view.
            policy: How photos are decoded.

        Raises:
            DataError: If a photo that it is cut out of cannot be read.
        """
        rng = np.random.default_rng([self.seed, self.number, view])
        if self.kind != PASTE:
            return DRAWN[self.kind](pixels, rng)
        donor, size = self.donors[rng.integers(len(self.donors))], pixels.shape[:2]
        mask = cast(np.ndarray, read_mask(donor, size, policy))
        return paste(pixels, Patch.of(read_photo(donor, size, policy), mask), rng)


def _check_class(name: str, photos: "PhotoSet") -> None:
    if name not in photos.class_names:
        raise DataError(
            f"`synthetic_defects` names {printable(repr(name))}, none of the classes "
            f"{listed(photos.class_names)}.{did_you_mean(name, photos.class_names)}"
        )


def _donors(photos: "PhotoSet", name: str) -> "tuple[Photo, ...]":
    """Return the photos of a class on which something is marked."""
    found = tuple(
        photo
        for photo in photos.photos
        if photo.label == name
        and (mask := read_mask(photo, _size(photo), DecodePolicy())) is not None
        and mask.any()
    )
    if not found:
        raise DataError(
            f"`synthetic_defects` cannot paste {name!r}: on no training photo of this class a mask "
            "marks anything. Name masks in a column `mask`, or pass classes={"
            f"{name!r}: 'scratch'}} or 'blob'."
        )
    return found


def _size(photo: "Photo") -> tuple[int, int]:
    return photo.facts.height, photo.facts.width


def _filled_up(counts: Mapping[str, int], more: int) -> Sequence[str]:
    """Return `more` names, each the one that has the fewest by then, the first of equal ones."""
    now, found = dict(counts), []
    for _ in range(more):
        name = min(now, key=now.__getitem__)
        now[name] += 1
        found.append(name)
    return found
