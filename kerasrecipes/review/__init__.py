"""Putting labels right: a page on this machine that shows what to look at, and keeps decisions."""

from typing import TYPE_CHECKING

from kerasrecipes.lazy import lazy_names

if TYPE_CHECKING:
    from kerasrecipes.review.reviewing import review_photos as review_photos
    from kerasrecipes.review.server import ReviewServer as ReviewServer

__getattr__, __dir__, __all__ = lazy_names(
    __name__, {"reviewing": "review_photos", "server": "ReviewServer"}
)
