"""The recipe for photos with one label each."""

from contextlib import nullcontext
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from kerasrecipes.backbones.spec import BackboneSpec
from kerasrecipes.console import say
from kerasrecipes.data.examples import Examples
from kerasrecipes.data.seen import FIT_SIDES, refuse_seen
from kerasrecipes.engine.run_folder import RunFolder, as_run_folder
from kerasrecipes.errors import NotFittedError
from kerasrecipes.photos.augment import Augmentation
from kerasrecipes.photos.photo_set import PhotoSet
from kerasrecipes.settings.judging import Judged, judge_recipe
from kerasrecipes.settings.photo_rows import IMAGE_CLASSIFIER
from kerasrecipes.settings.setting import Setting
from kerasrecipes.training.fitted import Fitted
from kerasrecipes.training.recipe import Recipe

if TYPE_CHECKING:
    from kerasrecipes.release.bundle import Bundle


@dataclass(repr=False, eq=False)
class ImageClassifier(Recipe):
    """Fine-tune a pretrained backbone to tell photos apart.

    The constructor only stores its arguments; `fit` checks them all before it reads a
    photo or loads a weight.

    Args:
        backbone: A name of `kerasrecipes.list_backbones()`, `hub:…`, `cv:…`, or a
            `BackboneSpec` of your own, e.g. of `BackboneSpec.from_model`.
        image_size: `(height, width)` in pixels; `None` for the backbone's own.
        augment: `"none"`, `"flips"`, `"light"`, `"factory"`, `"randaugment"`, `"augmix"`, or
            an `Augmentation`. Only training photos are augmented.
        views: Views per photo, of which each epoch shows one; the first is the photo itself,
            the others are augmented. A frozen part of the model sees each view once.

    Example:
        >>> ImageClassifier("efficientnet_lite0", seed=7)
        ImageClassifier(seed=7)
    """

    table: ClassVar[tuple[Setting, ...]] = IMAGE_CLASSIFIER

    backbone: str | BackboneSpec = "efficientnet_lite0"
    _: KW_ONLY
    image_size: tuple[int, int] | None = None
    augment: str | Augmentation = "light"
    views: int = 4

    def fit(
        self,
        train: Examples,
        val: Examples,
        *,
        callbacks=(),
        verbose: bool = True,
        run_folder: str | Path | RunFolder | None = None,
        resume: bool = False,
    ):
        """Train on one set of photos, choosing the weights by another.

        Fitting again starts again. Ctrl-C ends the fit with the best weights so far.

        Args:
            train: Photos to learn from.
            val: Photos to choose by; none of them may be among `train`.
            callbacks: Further `keras.callbacks.Callback`s, used in every stage.
            verbose: Whether to print what trains and how it goes.
            run_folder: A folder that explains the run and from which it can go on after a
                break, see `RunFolder`; `None` keeps nothing.
            resume: Go on with the run in `run_folder`, and end with the very weights that
                it would have ended with.

        Returns:
            A `RunReport`: what was trained, how it went, and how `val` is classified.

        Raises:
            ValueError: If an argument of the recipe is not usable, or the recipe would undo
                what a callback does.
            DataError: If the photos do not suit training, or change while it runs, or the run
                folder is in use, or holds a run and `resume` is not set, or another run.
            IntegrityError: If all that could be resumed from is damaged.
            OSError: If nothing can be written in the run folder.
            KeyboardInterrupt: If interrupted before there was anything to keep.
        """
        from kerasrecipes.settings.callback_checks import check_callbacks

        judged = judge_recipe(self)
        check_callbacks(callbacks, self)
        run = as_run_folder(run_folder, resume)
        return self._fit(judged, train, val, callbacks=callbacks, verbose=verbose, run=run)

    def _fit(
        self,
        judged: Judged,
        train: Examples,
        val: Examples,
        *,
        callbacks=(),
        verbose: bool = True,
        run: RunFolder | None = None,
    ):
        """Fit what was judged already."""
        from kerasrecipes.engine.devices.devices import check_run_folder
        from kerasrecipes.training.fitting import fit_classifier

        speak = say if verbose else lambda line: None
        check_run_folder(self, run)
        with nullcontext() if run is None else run.locked():
            speak = speak if run is None else run.log_lines(speak)
            fitted = fit_classifier(judged, train, val, tuple(callbacks), speak, run)
            self.fitted_, _ = fitted.measured(val, "val", self.seed)
            if run is not None:
                run.finish(self.report_)
        return self.report_

    def probe(self, train: Examples, val: Examples, *, verbose: bool = True):
        """Measure in seconds how far the backbone gets as it is, before anything is trained.

        The recipe stays as it is; see `kerasrecipes.choosing.probe.probe_backbone`.

        Args:
            train: Photos to learn from.
            val: Photos to judge by; none of them may be among `train`.
            verbose: Whether to warn of leaks between the two.

        Returns:
            A `ProbeResult`; print it.

        Raises:
            ValueError: If an argument of the recipe is not usable.
            DataError: If the photos do not suit training, or change while it runs.
        """
        from kerasrecipes.training.probe import probe_recipe

        return probe_recipe(self, train, val, verbose)

    def predict(self, photos: PhotoSet) -> np.ndarray:
        """Return class probabilities.

        Args:
            photos: What to classify; labels are not looked at.

        Returns:
            float32, shape `(n, classes)`, in the order of `labels_`.

        Raises:
            NotFittedError: Before `fit`.
            DataError: If a photo cannot be read, or changed since it was scanned.
        """
        from kerasrecipes.data.inference import predict_scores

        return predict_scores(self.model_, photos)

    def embed(self, photos: PhotoSet) -> np.ndarray:
        """Return what photos can be compared by, with `NearestNeighbours` or `recall_at_k`.

        Args:
            photos: Any photos, also of classes that the model does not know.

        Returns:
            float32, shape `(n, length)`: embeddings of length 1 from the heads `"embedding"` and
            `"margin"`, otherwise the pooled features of the backbone.

        Raises:
            NotFittedError: Before `fit`.
            DataError: If a photo cannot be read, or changed since it was scanned.
        """
        from kerasrecipes.data.inference import predict_scores
        from kerasrecipes.heads.embedding import embedding_model

        return predict_scores(embedding_model(self.model_), photos)

    def evaluate(self, photos: PhotoSet, *, split: str = "test"):
        """Measure the model on photos that it has not seen.

        The photos are remembered: `save` keeps some of those of the split `"test"`, with the
        scores, as golden vectors against which every exported file is verified; without any,
        some of those measured last.

        Args:
            photos: Labelled photos of the same classes.
            split: What to call them in the report.

        Returns:
            An `Evaluation`; print it.

        Raises:
            NotFittedError: Before `fit`.
            DataError: If photos were used in the fit, cannot be read, or have other classes.
            ValueError: If `split` is one of `kerasrecipes.data.seen.FIT_SIDES`, e.g. `"val"`.
        """
        fitted = self._fitted("model_")
        if split in FIT_SIDES:
            raise ValueError(f"`split` must not be {split!r}, which names photos of the fit.")
        refuse_seen(fitted.seen, photos)
        self.fitted_, evaluation = fitted.measured(photos, split, self.seed)
        return evaluation

    def save(self, folder: str | Path):
        """Write a new version of a model folder.

        Args:
            folder: The model's folder, e.g. `"saved_models/tiles"`; the bundle is its
                next free version, e.g. `saved_models/tiles/1/`.

        Returns:
            The `Bundle`.

        Raises:
            NotFittedError: Before `fit`, and for a recipe that was loaded.
            ValueError: In another worker than the first.
            OSError: If the folder cannot be written; nothing is left behind.
        """
        from kerasrecipes.engine.devices.workers import check_first_worker
        from kerasrecipes.training.save import save_recipe

        if self._fitted("model_").train is None:
            raise NotFittedError(
                "A recipe that was loaded is saved already. Copy its folder, or call `fit`."
            )
        check_first_worker(self.devices)
        return save_recipe(self, Path(folder))

    @classmethod
    def load(cls, folder: "Bundle | str | Path") -> "ImageClassifier":
        """Read a saved recipe, ready to evaluate and predict.

        Args:
            folder: A model folder (its latest version) or one version of it, or a bundle.

        Raises:
            DataError: If there is no bundle.
            IntegrityError: If a file of it was changed.
        """
        from kerasrecipes.release.bundle import Bundle

        bundle = Bundle.load(folder)
        recipe = cls.from_config(bundle.manifest.recipe)
        recipe.fitted_ = Fitted(
            model=bundle.load_model(),
            input=bundle.input,
            output=bundle.output,
            report=bundle.report(),
            seen=bundle.seen(),
        )
        return recipe
