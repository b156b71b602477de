"""From a folder or a table of photos to sets that are scanned, checked and split."""

from kerasrecipes.data.check import CheckReport, check_photos
from kerasrecipes.data.decode import DecodePolicy, decode_photo, read_photo
from kerasrecipes.data.photos import Excluded, Photo, PhotoFacts, PhotoSet
from kerasrecipes.data.scan import scan_photos
from kerasrecipes.data.similar import near_duplicates
from kerasrecipes.data.split import split_photos

__all__ = [
    "CheckReport",
    "DecodePolicy",
    "Excluded",
    "Photo",
    "PhotoFacts",
    "PhotoSet",
    "check_photos",
    "decode_photo",
    "near_duplicates",
    "read_photo",
    "scan_photos",
    "split_photos",
]
