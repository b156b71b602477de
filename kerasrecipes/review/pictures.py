"""Photos as a browser gets them: decoded as the model's are, and encoded anew."""

from collections.abc import Callable
from functools import lru_cache
from io import BytesIO

from PIL import Image

from kerasrecipes.photos.decoding.decode import decode_upright, read_unchanged
from kerasrecipes.photos.photo_set import PhotoSet

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
        picture = decode_upright(read_unchanged(photo), self._photos.policy, name=photo.name)
        picture.thumbnail((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0)
        file = BytesIO()
        picture.save(file, "JPEG", quality=88)
        return file.getvalue()
