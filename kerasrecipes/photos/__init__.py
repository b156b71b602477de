"""Photos with labels: scanned from folders and tables, checked, decoded and augmented."""

from typing import TYPE_CHECKING

from kerasrecipes.lazy import lazy_names

if TYPE_CHECKING:
    from kerasrecipes.photos.augment import (
        AUGMENTATIONS as AUGMENTATIONS,
        Augmentation as Augmentation,
        augment_photo as augment_photo,
        register_augmentation as register_augmentation,
    )
    from kerasrecipes.photos.check import CheckReport as CheckReport, check_photos as check_photos
    from kerasrecipes.photos.decoding.decode import decode_photo as decode_photo
    from kerasrecipes.photos.decoding.policy import DecodePolicy as DecodePolicy
    from kerasrecipes.photos.photo_set import (
        Excluded as Excluded,
        Photo as Photo,
        PhotoFacts as PhotoFacts,
        PhotoSet as PhotoSet,
        Synthetic as Synthetic,
    )
    from kerasrecipes.photos.reader import to_dataset as to_dataset
    from kerasrecipes.photos.scan import scan_photos as scan_photos
    from kerasrecipes.photos.sources.arrays import photos_from_arrays as photos_from_arrays
    from kerasrecipes.photos.sources.dataset import photos_from_dataset as photos_from_dataset
    from kerasrecipes.photos.synthetic.defects import SyntheticDefects as SyntheticDefects
    from kerasrecipes.photos.tiled.tiles import Tile as Tile, cut_tiles as cut_tiles
    from kerasrecipes.photos.tiled.tiling import Tiling as Tiling

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "augment": "AUGMENTATIONS Augmentation augment_photo register_augmentation",
        "check": "CheckReport check_photos",
        "decoding.decode": "decode_photo",
        "decoding.policy": "DecodePolicy",
        "photo_set": "Excluded Photo PhotoFacts PhotoSet Synthetic",
        "reader": "to_dataset",
        "scan": "scan_photos",
        "sources.arrays": "photos_from_arrays",
        "sources.dataset": "photos_from_dataset",
        "synthetic.defects": "SyntheticDefects",
        "tiled.tiles": "Tile cut_tiles",
        "tiled.tiling": "Tiling",
    },
)
