"""Photos as a browser gets them: decoded as the model's are, and encoded anew."""

from collections.abc import Callable
from functools import lru_cache
from io import BytesIO
from threading import Lock

from PIL import Image

from kerasrecipes.photos.decoding.decode import decode_upright, read_unchanged
from kerasrecipes.photos.photo_set import PhotoSet
from kerasrecipes.release.bundle import Bundle
from kerasrecipes.release.explaining import Explainer

THUMBNAIL_SIDE, PHOTO_SIDE = 192, 1200
# Some 30 MB of thumbnails; a photo is a few hundred kB.
_THUMBNAILS, _PHOTOS = 3000, 24


class Pictures:
    """JPEG files of photos, made when they are asked for, and some of them remembered.

    Args:
        photos: The photos.
    """

    def __init__(self, photos: PhotoSet):
        self._photos = photos
        self.thumbnail: Callable[[int], bytes] = lru_cache(_THUMBNAILS)(self._thumbnail)
        self.photo: Callable[[int], bytes] = lru_cache(_PHOTOS)(self._photo)

    def content(self, index: int) -> bytes:
        """Return the bytes of a photo's file.

        Args:
            index: The photo.

        Raises:
            DataError: If it changed since it was scanned.
        """
        return read_unchanged(self._photos.photos[index])

    def _thumbnail(self, index: int) -> bytes:
        return self._jpeg(index, THUMBNAIL_SIDE)

    def _photo(self, index: int) -> bytes:
        return self._jpeg(index, PHOTO_SIDE)

    def _jpeg(self, index: int, side: int) -> bytes:
        """Return a photo that fits into a square.

        Raises:
            DataError: If its file changed since it was scanned.
        """
        photo = self._photos.photos[index]
        picture = decode_upright(self.content(index), self._photos.policy, name=photo.name)
        picture.thumbnail((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0)
        file = BytesIO()
        picture.save(file, "JPEG", quality=88)
        return file.getvalue()


class Heatmaps:
    """Photos under what a model saw in them; the model is loaded with the first.

    Args:
        bundle: The model.
        pictures: The photos.
    """

    def __init__(self, bundle: Bundle, pictures: Pictures):
        self._bundle, self._pictures = bundle, pictures
        self._lock = Lock()
        self._explainer: Explainer | None = None

    def __call__(self, index: int) -> bytes:
        """Return a JPEG file.

        Args:
            index: The photo.

        Raises:
            DataError: If its file changed since it was scanned.
            ValueError: If the model has no features with places.
        """
        content = self._pictures.content(index)
        with self._lock:  # one at a time, since each takes all cores
            self._explainer = self._explainer or Explainer(self._bundle)
            found = self._explainer.explain(content)
        file = BytesIO()
        photo = Image.open(BytesIO(self._pictures.photo(index)))
        found.overlay(photo).save(file, "JPEG", quality=88)
        return file.getvalue()
