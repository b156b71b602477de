"""A folder of photos goes in, a verified model on a phone comes out.

Importing this package is quick; each name loads what it needs when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from kerasrecipes._version import __version__

if TYPE_CHECKING:
    from kerasrecipes.backbones import BackboneSpec, get_backbone, list_backbones
    from kerasrecipes.bundle import Bundle, check_model_folder
    from kerasrecipes.callbacks.early_stopping import EarlyStopping
    from kerasrecipes.data.augment import AUGMENTATIONS, Augmentation
    from kerasrecipes.data.batches import to_dataset
    from kerasrecipes.data.check import check_photos
    from kerasrecipes.data.decode import DecodePolicy, decode_photo
    from kerasrecipes.data.photos import Photo, PhotoSet
    from kerasrecipes.data.scan import scan_photos
    from kerasrecipes.data.split import split_photos
    from kerasrecipes.errors import (
        DataError,
        DownloadError,
        IntegrityError,
        KerasRecipesError,
        MissingDependencyError,
        NotFittedError,
        TrainingError,
        VerificationError,
    )
    from kerasrecipes.evaluation.classification import evaluate_scores
    from kerasrecipes.export import export_model, list_formats
    from kerasrecipes.heads import list_heads
    from kerasrecipes.report.run_report import RunReport
    from kerasrecipes.serve.predictor import Predictor
    from kerasrecipes.templates import copy_recipe, list_recipes
    from kerasrecipes.training.fine_tune import fine_tune_images
    from kerasrecipes.training.freezing import FreezePolicy
    from kerasrecipes.training.image_classifier import ImageClassifier
    from kerasrecipes.training.schedule import Stage, UnfreezeSchedule
    from kerasrecipes.verify import Tolerance, Verification, verify_bundle, verify_export

_WHERE = {
    "backbones": ("BackboneSpec", "get_backbone", "list_backbones"),
    "bundle": ("Bundle", "check_model_folder"),
    "callbacks.early_stopping": ("EarlyStopping",),
    "data.augment": ("AUGMENTATIONS", "Augmentation"),
    "data.batches": ("to_dataset",),
    "data.check": ("check_photos",),
    "data.decode": ("DecodePolicy", "decode_photo"),
    "data.photos": ("Photo", "PhotoSet"),
    "data.scan": ("scan_photos",),
    "data.split": ("split_photos",),
    "errors": (
        "DataError",
        "DownloadError",
        "IntegrityError",
        "KerasRecipesError",
        "MissingDependencyError",
        "NotFittedError",
        "TrainingError",
        "VerificationError",
    ),
    "evaluation.classification": ("evaluate_scores",),
    "export": ("export_model", "list_formats"),
    "heads": ("list_heads",),
    "report.run_report": ("RunReport",),
    "serve.predictor": ("Predictor",),
    "templates": ("copy_recipe", "list_recipes"),
    "training.fine_tune": ("fine_tune_images",),
    "training.freezing": ("FreezePolicy",),
    "training.image_classifier": ("ImageClassifier",),
    "training.schedule": ("Stage", "UnfreezeSchedule"),
    "verify": ("Tolerance", "Verification", "verify_bundle", "verify_export"),
}
_MODULES = {name: module for module, names in _WHERE.items() for name in names}

__all__ = ["__version__", *_MODULES]


def __getattr__(name: str):
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    from kerasrecipes.errors import did_you_mean

    raise AttributeError(f"kerasrecipes has no {name!r}.{did_you_mean(name, _MODULES)}")


def __dir__() -> list[str]:
    return sorted(__all__)
