"""A folder of photos goes in, a verified model on a phone comes out.

Importing this package is quick; each name loads what it needs when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from kerasrecipes._version import __version__

if TYPE_CHECKING:
    from kerasrecipes.backbones import (
        BackboneSpec,
        get_backbone,
        list_backbones,
        register_backbone,
    )
    from kerasrecipes.bundles.bundle import check_model_folder
    from kerasrecipes.callbacks.divergence_guard import DivergenceGuard
    from kerasrecipes.callbacks.early_stopping import EarlyStopping
    from kerasrecipes.callbacks.exact_checkpoint import ExactCheckpoint
    from kerasrecipes.callbacks.gradient_monitor import GradientMonitor
    from kerasrecipes.callbacks.learning_rates.lr_finder import LRFinder
    from kerasrecipes.callbacks.learning_rates.search import (
        find_group_learning_rates,
        find_learning_rate,
    )
    from kerasrecipes.callbacks.learning_rates.suggestion import LearningRateSuggestion
    from kerasrecipes.callbacks.metrics_log import MetricsLog
    from kerasrecipes.callbacks.moving_average import MovingAverage
    from kerasrecipes.callbacks.overfit_monitor import OverfitMonitor
    from kerasrecipes.callbacks.run_writers import MlflowWriter, TensorBoardWriter
    from kerasrecipes.callbacks.snapshot_ensemble import SnapshotEnsemble
    from kerasrecipes.callbacks.weight_averaging import StochasticWeightAveraging
    from kerasrecipes.callbacks.zeros.magnitude_pruning import HoldZeros, MagnitudePruning
    from kerasrecipes.choosing.ablation import ablate_recipe
    from kerasrecipes.choosing.probe import probe_backbone
    from kerasrecipes.choosing.recommend import recommend_backbone
    from kerasrecipes.data.splits import split_photos
    from kerasrecipes.engine.freezing import FreezePolicy
    from kerasrecipes.engine.gradient_check import check_gradients
    from kerasrecipes.engine.schedule import Stage, UnfreezeSchedule
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
    from kerasrecipes.evaluation.calibration import temperature_scale
    from kerasrecipes.evaluation.classification import evaluate_scores
    from kerasrecipes.evaluation.retrieval.nearest_neighbours import NearestNeighbours
    from kerasrecipes.evaluation.retrieval.ranking import mean_average_precision, recall_at_k
    from kerasrecipes.export import list_formats, register_format
    from kerasrecipes.heads import list_heads, register_head
    from kerasrecipes.losses import get_loss, list_losses, register_loss
    from kerasrecipes.losses.costs import cheapest_decisions, cost_matrix
    from kerasrecipes.optimization.bundle_optimization import optimize_bundle
    from kerasrecipes.optimization.channels.pruning import prune_channels
    from kerasrecipes.optimization.clustering import cluster_weights
    from kerasrecipes.optimization.distilling import distil
    from kerasrecipes.optimization.pruning import cluster, prune
    from kerasrecipes.optimization.quantization_aware import make_quantization_aware
    from kerasrecipes.optimization.quantization_report import QuantizationReport
    from kerasrecipes.optimization.quantized_classifier import QuantizedClassifier
    from kerasrecipes.optimization.quantizing import quantize
    from kerasrecipes.optimization.search.optimizing import optimize
    from kerasrecipes.optimization.sensitivity import measure_sensitivity
    from kerasrecipes.optimization.weight_report import report_weights
    from kerasrecipes.optimizers.fine_tuning_adamw import FineTuningAdamW
    from kerasrecipes.photos.augment import AUGMENTATIONS, Augmentation, register_augmentation
    from kerasrecipes.photos.check import check_photos
    from kerasrecipes.photos.decoding.decode import DecodePolicy, decode_photo
    from kerasrecipes.photos.photo_set import Photo, PhotoSet
    from kerasrecipes.photos.reader import to_dataset
    from kerasrecipes.photos.scan import scan_photos
    from kerasrecipes.quantization.sensitivity_report import QuantizationSensitivity
    from kerasrecipes.release.bundle import Bundle
    from kerasrecipes.release.exporting import export_model
    from kerasrecipes.release.starter import list_starters, write_starter
    from kerasrecipes.report.contact_sheet import draw_augmentation
    from kerasrecipes.report.run_report import RunReport
    from kerasrecipes.serve.predictor import Predictor
    from kerasrecipes.surgery.adapters import (
        AdaptedModel,
        BitFit,
        Bottleneck,
        LowRank,
        add_adapter,
    )
    from kerasrecipes.surgery.batch_norm import reestimate_batch_norm
    from kerasrecipes.surgery.multiply_adds import count_multiply_adds
    from kerasrecipes.templates import copy_recipe, list_recipes
    from kerasrecipes.training.bundle_evaluation import evaluate_bundle
    from kerasrecipes.training.distillation import Distillation
    from kerasrecipes.training.fine_tune import fine_tune_images
    from kerasrecipes.training.image_classifier import ImageClassifier
    from kerasrecipes.verify import (
        Benchmark,
        Tolerance,
        Verification,
        benchmark_bundle,
        verify_bundle,
        verify_export,
    )

_WHERE = {
    "backbones": ("BackboneSpec", "get_backbone", "list_backbones", "register_backbone"),
    "bundles.bundle": ("check_model_folder",),
    "release.bundle": ("Bundle",),
    "callbacks.divergence_guard": ("DivergenceGuard",),
    "callbacks.early_stopping": ("EarlyStopping",),
    "callbacks.exact_checkpoint": ("ExactCheckpoint",),
    "callbacks.gradient_monitor": ("GradientMonitor",),
    "callbacks.learning_rates.search": ("find_group_learning_rates", "find_learning_rate"),
    "callbacks.learning_rates.suggestion": ("LearningRateSuggestion",),
    "callbacks.learning_rates.lr_finder": ("LRFinder",),
    "callbacks.zeros.magnitude_pruning": ("HoldZeros", "MagnitudePruning"),
    "callbacks.metrics_log": ("MetricsLog",),
    "callbacks.moving_average": ("MovingAverage",),
    "callbacks.run_writers": ("MlflowWriter", "TensorBoardWriter"),
    "callbacks.overfit_monitor": ("OverfitMonitor",),
    "callbacks.snapshot_ensemble": ("SnapshotEnsemble",),
    "callbacks.weight_averaging": ("StochasticWeightAveraging",),
    "photos.augment": ("AUGMENTATIONS", "Augmentation", "register_augmentation"),
    "photos.reader": ("to_dataset",),
    "photos.check": ("check_photos",),
    "photos.decoding.decode": ("DecodePolicy", "decode_photo"),
    "photos.photo_set": ("Photo", "PhotoSet"),
    "photos.scan": ("scan_photos",),
    "data.splits": ("split_photos",),
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
    "evaluation.calibration": ("temperature_scale",),
    "evaluation.classification": ("evaluate_scores",),
    "evaluation.retrieval.nearest_neighbours": ("NearestNeighbours",),
    "evaluation.retrieval.ranking": ("mean_average_precision", "recall_at_k"),
    "export": ("list_formats", "register_format"),
    "release.exporting": ("export_model",),
    "release.starter": ("list_starters", "write_starter"),
    "heads": ("list_heads", "register_head"),
    "losses": ("get_loss", "list_losses", "register_loss"),
    "losses.costs": ("cheapest_decisions", "cost_matrix"),
    "optimization.bundle_optimization": ("optimize_bundle",),
    "optimization.channels.pruning": ("prune_channels",),
    "optimization.clustering": ("cluster_weights",),
    "optimization.distilling": ("distil",),
    "surgery.multiply_adds": ("count_multiply_adds",),
    "optimization.search.optimizing": ("optimize",),
    "optimization.pruning": ("cluster", "prune"),
    "optimization.quantization_aware": ("make_quantization_aware",),
    "optimization.quantization_report": ("QuantizationReport",),
    "optimization.quantized_classifier": ("QuantizedClassifier",),
    "optimization.quantizing": ("quantize",),
    "optimization.sensitivity": ("measure_sensitivity",),
    "quantization.sensitivity_report": ("QuantizationSensitivity",),
    "optimization.weight_report": ("report_weights",),
    "optimizers.fine_tuning_adamw": ("FineTuningAdamW",),
    "report.contact_sheet": ("draw_augmentation",),
    "report.run_report": ("RunReport",),
    "serve.predictor": ("Predictor",),
    "templates": ("copy_recipe", "list_recipes"),
    "choosing.ablation": ("ablate_recipe",),
    "surgery.adapters": ("AdaptedModel", "BitFit", "Bottleneck", "LowRank", "add_adapter"),
    "surgery.batch_norm": ("reestimate_batch_norm",),
    "training.bundle_evaluation": ("evaluate_bundle",),
    "training.distillation": ("Distillation",),
    "training.fine_tune": ("fine_tune_images",),
    "engine.freezing": ("FreezePolicy",),
    "engine.gradient_check": ("check_gradients",),
    "training.image_classifier": ("ImageClassifier",),
    "choosing.probe": ("probe_backbone",),
    "choosing.recommend": ("recommend_backbone",),
    "engine.schedule": ("Stage", "UnfreezeSchedule"),
    "verify": (
        "Benchmark",
        "Tolerance",
        "Verification",
        "benchmark_bundle",
        "verify_bundle",
        "verify_export",
    ),
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
