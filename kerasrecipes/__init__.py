"""A folder of photos goes in, a verified model on a phone comes out.

Importing this package is quick; each name loads what it needs when it is first used. What
people call and hold is here; the rest is in rooms, such as `kerasrecipes.callbacks`.
"""

from typing import TYPE_CHECKING

from kerasrecipes._version import __version__ as __version__
from kerasrecipes.lazy import lazy_names

if TYPE_CHECKING:
    from kerasrecipes import (
        backbones as backbones,
        callbacks as callbacks,
        data as data,
        drift as drift,
        engine as engine,
        evaluation as evaluation,
        explaining as explaining,
        export as export,
        heads as heads,
        losses as losses,
        metrics as metrics,
        optimization as optimization,
        optimizers as optimizers,
        photos as photos,
        quantization as quantization,
        signals as signals,
        statistics as statistics,
        surgery as surgery,
        texts as texts,
    )
    from kerasrecipes.backbones import (
        BackboneSpec as BackboneSpec,
        get_backbone as get_backbone,
        list_backbones as list_backbones,
        register_backbone as register_backbone,
    )
    from kerasrecipes.bundles.export_record import ExportRecord as ExportRecord
    from kerasrecipes.bundles.versions import check_model_folder as check_model_folder
    from kerasrecipes.choosing.ablation import Ablation as Ablation, ablate_recipe as ablate_recipe
    from kerasrecipes.choosing.families import (
        FamilyRecommendation as FamilyRecommendation,
        recommend_family as recommend_family,
    )
    from kerasrecipes.choosing.probe import probe_backbone as probe_backbone
    from kerasrecipes.choosing.recommend import recommend_backbone as recommend_backbone
    from kerasrecipes.choosing.recommendation import Recommendation as Recommendation
    from kerasrecipes.console import set_verbosity as set_verbosity
    from kerasrecipes.diagnosis.defect_summary import (
        DefectSummary as DefectSummary,
        summarise_defects as summarise_defects,
    )
    from kerasrecipes.diagnosis.mistakes import (
        Mistakes as Mistakes,
        find_mistakes as find_mistakes,
    )
    from kerasrecipes.diagnosis.over_time import (
        TimeReport as TimeReport,
        evaluate_over_time as evaluate_over_time,
    )
    from kerasrecipes.diagnosis.stress import (
        StressReport as StressReport,
        stress_bundle as stress_bundle,
    )
    from kerasrecipes.drift import (
        DriftReport as DriftReport,
        ReferenceProfile as ReferenceProfile,
        detect_drift as detect_drift,
        profile_bundle as profile_bundle,
    )
    from kerasrecipes.edge import Collector as Collector, write_edge as write_edge
    from kerasrecipes.engine import Stage as Stage, UnfreezeSchedule as UnfreezeSchedule
    from kerasrecipes.errors import (
        DataError as DataError,
        DownloadError as DownloadError,
        IntegrityError as IntegrityError,
        KerasRecipesError as KerasRecipesError,
        MissingDependencyError as MissingDependencyError,
        NoEffectError as NoEffectError,
        NotFittedError as NotFittedError,
        PluginError as PluginError,
        TrainingError as TrainingError,
        VerificationError as VerificationError,
    )
    from kerasrecipes.evaluation import (
        Evaluation as Evaluation,
        MultiLabelEvaluation as MultiLabelEvaluation,
        OrdinalEvaluation as OrdinalEvaluation,
        RegressionEvaluation as RegressionEvaluation,
    )
    from kerasrecipes.explaining import (
        DeletionTest as DeletionTest,
        Heatmap as Heatmap,
        PointingGame as PointingGame,
        WordShares as WordShares,
    )
    from kerasrecipes.export import list_formats as list_formats, register_format as register_format
    from kerasrecipes.heads import list_heads as list_heads, register_head as register_head
    from kerasrecipes.losses import list_losses as list_losses, register_loss as register_loss
    from kerasrecipes.optimization import (
        OptimizationResult as OptimizationResult,
        OptimizedBundle as OptimizedBundle,
        QuantizationReport as QuantizationReport,
        QuantizedModel as QuantizedModel,
        cluster as cluster,
        distil as distil,
        measure_sensitivity as measure_sensitivity,
        optimize as optimize,
        optimize_bundle as optimize_bundle,
        prune as prune,
        quantize as quantize,
    )
    from kerasrecipes.photos import (
        Augmentation as Augmentation,
        CheckReport as CheckReport,
        DecodePolicy as DecodePolicy,
        Photo as Photo,
        PhotoSet as PhotoSet,
        SyntheticDefects as SyntheticDefects,
        check_photos as check_photos,
        photos_from_arrays as photos_from_arrays,
        photos_from_dataset as photos_from_dataset,
        register_augmentation as register_augmentation,
        scan_photos as scan_photos,
    )
    from kerasrecipes.photos.split import split_photos as split_photos
    from kerasrecipes.promotion import (
        Gates as Gates,
        ModelCheck as ModelCheck,
        ModelHistory as ModelHistory,
        Promotion as Promotion,
        PromotionRefused as PromotionRefused,
        VersionDifference as VersionDifference,
        check_bundle as check_bundle,
        diff_versions as diff_versions,
        model_history as model_history,
        promote_version as promote_version,
        roll_back as roll_back,
    )
    from kerasrecipes.quantization import QuantizationSensitivity as QuantizationSensitivity
    from kerasrecipes.release.bundle import Bundle as Bundle
    from kerasrecipes.release.card import write_card as write_card
    from kerasrecipes.release.comparing import compare_bundles as compare_bundles
    from kerasrecipes.release.comparison import Comparison as Comparison
    from kerasrecipes.release.ensemble import (
        EnsembleBundle as EnsembleBundle,
        ensemble_bundles as ensemble_bundles,
    )
    from kerasrecipes.release.explaining import Explainer as Explainer, heatmap as heatmap
    from kerasrecipes.release.exporting import export_model as export_model
    from kerasrecipes.release.operating import (
        OperatedBundle as OperatedBundle,
        operate_bundle as operate_bundle,
    )
    from kerasrecipes.release.reporting import write_report as write_report
    from kerasrecipes.release.starter import (
        list_starters as list_starters,
        write_starter as write_starter,
    )
    from kerasrecipes.release.words import TextExplainer as TextExplainer
    from kerasrecipes.renewing import Renewed as Renewed, retrain_model as retrain_model
    from kerasrecipes.report.plots.contact_sheet import draw_augmentation as draw_augmentation
    from kerasrecipes.report.run_report import RunReport as RunReport
    from kerasrecipes.review import ReviewServer as ReviewServer, review_photos as review_photos
    from kerasrecipes.rollout import (
        RolloutPolicy as RolloutPolicy,
        RolloutStatus as RolloutStatus,
        rollout_status as rollout_status,
        start_rollout as start_rollout,
        stop_rollout as stop_rollout,
    )
    from kerasrecipes.scoring import Scored as Scored, score as score
    from kerasrecipes.serve import (
        Journal as Journal,
        JournalEntry as JournalEntry,
        Prediction as Prediction,
        Predictor as Predictor,
        ReviewQueue as ReviewQueue,
    )
    from kerasrecipes.signals import (
        Signal as Signal,
        SignalSet as SignalSet,
        check_signals as check_signals,
        scan_signals as scan_signals,
    )
    from kerasrecipes.signals.split import split_signals as split_signals
    from kerasrecipes.signing import (
        Signed as Signed,
        Trust as Trust,
        check_signature as check_signature,
        sign_bundle as sign_bundle,
    )
    from kerasrecipes.surgery import BitFit as BitFit, Bottleneck as Bottleneck, LowRank as LowRank
    from kerasrecipes.templates import copy_recipe as copy_recipe, list_recipes as list_recipes
    from kerasrecipes.texts import (
        Text as Text,
        TextAugmentation as TextAugmentation,
        TextSet as TextSet,
        check_texts as check_texts,
        chunk_texts as chunk_texts,
        register_rewriter as register_rewriter,
        scan_texts as scan_texts,
    )
    from kerasrecipes.texts.split import split_texts as split_texts
    from kerasrecipes.training.bundle_evaluation import (
        BundleEvaluation as BundleEvaluation,
        evaluate_bundle as evaluate_bundle,
    )
    from kerasrecipes.training.defect_detector import (
        DefectDetector as DefectDetector,
        NoveltyFound as NoveltyFound,
    )
    from kerasrecipes.training.distillation import Distillation as Distillation
    from kerasrecipes.training.fine_tune import (
        FineTuned as FineTuned,
        fine_tune_images as fine_tune_images,
    )
    from kerasrecipes.training.image_classifier import ImageClassifier as ImageClassifier
    from kerasrecipes.training.linear.probe import ProbeResult as ProbeResult
    from kerasrecipes.training.loading import (
        adopt_model as adopt_model,
        load_recipe as load_recipe,
        register_recipe as register_recipe,
    )
    from kerasrecipes.training.recipe import Recipe as Recipe
    from kerasrecipes.training.signals.fine_tune import train_signals as train_signals
    from kerasrecipes.training.signals.sequence_classifier import (
        SequenceClassifier as SequenceClassifier,
    )
    from kerasrecipes.training.texts.fine_tune import fine_tune_texts as fine_tune_texts
    from kerasrecipes.training.texts.text_classifier import TextClassifier as TextClassifier
    from kerasrecipes.training.tiled.fitting import fit_tiles as fit_tiles
    from kerasrecipes.training.tiled.joining import join_tiles as join_tiles
    from kerasrecipes.tuning.automatic import Automatic as Automatic, auto as auto
    from kerasrecipes.tuning.result import Tuning as Tuning
    from kerasrecipes.tuning.tuning import tune as tune
    from kerasrecipes.verify import (
        Benchmark as Benchmark,
        Latency as Latency,
        Tolerance as Tolerance,
        Verification as Verification,
        benchmark_bundle as benchmark_bundle,
        benchmark_export as benchmark_export,
        verify_bundle as verify_bundle,
        verify_export as verify_export,
    )
    from kerasrecipes.watching import (
        WatchReport as WatchReport,
        WatchSettings as WatchSettings,
        watch_journal as watch_journal,
    )

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "backbones": "BackboneSpec get_backbone list_backbones register_backbone",
        "bundles.versions": "check_model_folder",
        "bundles.export_record": "ExportRecord",
        "choosing.ablation": "Ablation ablate_recipe",
        "choosing.families": "FamilyRecommendation recommend_family",
        "choosing.probe": "probe_backbone",
        "choosing.recommend": "recommend_backbone",
        "choosing.recommendation": "Recommendation",
        "diagnosis.defect_summary": "DefectSummary summarise_defects",
        "diagnosis.mistakes": "Mistakes find_mistakes",
        "diagnosis.over_time": "TimeReport evaluate_over_time",
        "diagnosis.stress": "StressReport stress_bundle",
        "console": "set_verbosity",
        "photos.split": "split_photos",
        "drift": "DriftReport ReferenceProfile detect_drift profile_bundle",
        "edge": "Collector write_edge",
        "engine": "Stage UnfreezeSchedule",
        "errors": "DataError DownloadError IntegrityError KerasRecipesError "
        "MissingDependencyError NoEffectError NotFittedError PluginError "
        "TrainingError VerificationError",
        "evaluation": "Evaluation MultiLabelEvaluation OrdinalEvaluation RegressionEvaluation",
        "explaining": "DeletionTest Heatmap PointingGame WordShares",
        "export": "list_formats register_format",
        "heads": "list_heads register_head",
        "losses": "list_losses register_loss",
        "optimization": "OptimizationResult OptimizedBundle QuantizationReport "
        "QuantizedModel cluster distil measure_sensitivity optimize "
        "optimize_bundle prune quantize",
        "photos": "Augmentation CheckReport DecodePolicy Photo PhotoSet SyntheticDefects "
        "check_photos photos_from_arrays photos_from_dataset "
        "register_augmentation scan_photos",
        "promotion": "Gates ModelCheck ModelHistory Promotion PromotionRefused VersionDifference "
        "check_bundle diff_versions model_history promote_version roll_back",
        "quantization": "QuantizationSensitivity",
        "release.bundle": "Bundle",
        "release.comparing": "compare_bundles",
        "release.comparison": "Comparison",
        "release.ensemble": "EnsembleBundle ensemble_bundles",
        "release.explaining": "Explainer heatmap",
        "release.card": "write_card",
        "release.exporting": "export_model",
        "release.operating": "OperatedBundle operate_bundle",
        "release.reporting": "write_report",
        "release.words": "TextExplainer",
        "release.starter": "list_starters write_starter",
        "renewing": "Renewed retrain_model",
        "report.plots.contact_sheet": "draw_augmentation",
        "report.run_report": "RunReport",
        "review": "ReviewServer review_photos",
        "rollout": "RolloutPolicy RolloutStatus rollout_status start_rollout stop_rollout",
        "signing": "Signed Trust check_signature sign_bundle",
        "scoring": "Scored score",
        "serve": "Journal JournalEntry Prediction Predictor ReviewQueue",
        "signals": "Signal SignalSet check_signals scan_signals",
        "signals.split": "split_signals",
        "surgery": "BitFit Bottleneck LowRank",
        "templates": "copy_recipe list_recipes",
        "texts": "Text TextAugmentation TextSet check_texts chunk_texts register_rewriter "
        "scan_texts",
        "texts.split": "split_texts",
        "training.bundle_evaluation": "BundleEvaluation evaluate_bundle",
        "training.defect_detector": "DefectDetector NoveltyFound",
        "training.distillation": "Distillation",
        "training.fine_tune": "FineTuned fine_tune_images",
        "training.image_classifier": "ImageClassifier",
        "training.tiled.fitting": "fit_tiles",
        "training.tiled.joining": "join_tiles",
        "training.loading": "adopt_model load_recipe register_recipe",
        "training.linear.probe": "ProbeResult",
        "training.recipe": "Recipe",
        "training.signals.fine_tune": "train_signals",
        "training.signals.sequence_classifier": "SequenceClassifier",
        "training.texts.fine_tune": "fine_tune_texts",
        "training.texts.text_classifier": "TextClassifier",
        "tuning.automatic": "Automatic auto",
        "tuning.result": "Tuning",
        "tuning.tuning": "tune",
        "verify": "Benchmark Latency Tolerance Verification benchmark_bundle "
        "benchmark_export verify_bundle verify_export",
        "watching": "WatchReport WatchSettings watch_journal",
    },
    own="__version__",
    rooms="backbones callbacks data drift engine evaluation explaining export heads losses metrics "
    "optimization optimizers photos quantization signals statistics surgery texts",
)
