"""What every recipe has in common: an inert constructor, a config, and a fitted state."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.bundles.first_weights import giver_of, weights_file
from kerasrecipes.console import heeds_verbose, warn
from kerasrecipes.data.examples import Examples, check_examples
from kerasrecipes.data.inference import predict_scores
from kerasrecipes.data.seen import FIT_SIDES, refuse_seen
from kerasrecipes.engine.run_folder import RunFolder, as_run_folder
from kerasrecipes.engine.schedule import UnfreezeSchedule
from kerasrecipes.errors import DataError, printable
from kerasrecipes.evaluation.base import Result
from kerasrecipes.heads.embedding import embedding_model
from kerasrecipes.release.bundle import Bundle
from kerasrecipes.report.run_report import RunReport
from kerasrecipes.settings.callback_checks import check_callbacks
from kerasrecipes.settings.engine_fields import EngineSettings
from kerasrecipes.settings.engine_rows import ENGINE_ROWS
from kerasrecipes.settings.judging import Judged, judge_recipe
from kerasrecipes.settings.model_checks import check_measured
from kerasrecipes.settings.setting import Setting
from kerasrecipes.training.fitted import Fittable, Fitted, ForItsData

if TYPE_CHECKING:
    import keras

    from kerasrecipes.training.linear.probe import ProbeResult


@dataclass(kw_only=True, repr=False, eq=False)
class Recipe(EngineSettings, ForItsData, Fittable):
    """A description of a training run. It has a model; it is not one.

    A recipe's constructor stores its arguments under their own names and does nothing else, so
    that it can be printed, compared and written down before it runs. What `fit` learns ends in
    an underscore, see `Fitted`. A subclass has settings of its own, and a `table` of all of them;
    what they mean is added to its docstring.

    Args:
        head: A name of `kerasrecipes.list_heads()`.
        head_norm: `"layer"` or `"group"` to normalize pooled features, photo by photo, for
            batches too small for BatchNormalization; `None` for not at all.
        pooling: How the head pools places: `"both"` by average and maximum, beside each other;
            `"average"` or `"max"` alone; `"gem"` by a generalized mean with a learned power,
            between the two (Radenović et al., 2018); `"attention"` by an average in which places
            count as is learned.
        hidden: Units of one or two dense layers of the head before its last one, e.g. `(256,)`;
            `None` for none.
        hidden_dropout: Fraction of their units that a training step leaves out.
        cosine: Whether the last layer of the head compares directions, times one learned scale:
            what it reads, and what it compares that with, has no length then (Gidaris & Komodakis,
            2018). Of `"classification"` it has no bias. `"margin"` and `"embedding"` do so anyway.
        depths: How many of the backbone's last blocks the head reads, each pooled: what an early
            one sees, the last may have dropped (Evci et al., 2022, "Head2Toe"). A stage that
            opens blocks opens at least all but one of them. `None` for the last alone, or for
            what the probe chooses.
        schedule: The stages; `None` for the head first, and then with it open blocks of the
            backbone.
        start: What the head begins as: `"probe"` for the best linear model of the frozen features,
            found in seconds by cross-validation, in place of stages that train the head alone;
            blocks are then opened only where validation photos show that it helps, and otherwise
            all photos are learned from. `"head"` for random weights and all stages. `"auto"` for
            the probe where `schedule` is left open, the recipe suits it, and there are at most
            5,000 examples.
        weights: `"default"`, `"imagenet"` (a download), a local file, a saved model's folder
            (also `folder@alias`), or `None` for random weights.
    """

    name: ClassVar[str]
    table: ClassVar[tuple[Setting, ...]] = ENGINE_ROWS
    head: str = "classification"
    head_norm: str | None = None
    pooling: str = "both"
    hidden: Sequence[int] | None = None
    hidden_dropout: float = 0.0
    cosine: bool = False
    depths: int | None = None
    schedule: UnfreezeSchedule | None = None
    start: str = "auto"
    weights: str | Path | None = "default"

    @property
    def weights_file(self) -> str | Path | None:
        """`weights`; or, where they are a saved model's folder, the file in it.

        Raises:
            DataError: If they are a folder, and there is no saved model in it.
        """
        return weights_file(self.weights)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON-safe data."""
        return {row.name: row.kind.to_plain(getattr(self, row.name)) for row in self.table}

    @classmethod
    @named
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Build a recipe from what `get_config` returned."""
        kinds = {row.name: row.kind for row in cls.table}
        known = {name: kinds[name].from_plain(config[name]) for name in config if name in kinds}
        return cls(**{**config, **known})

    @named
    @heeds_verbose
    def fit(
        self,
        train: Examples,
        val: Examples,
        *,
        callbacks: "Sequence[keras.callbacks.Callback | str]" = (),
        verbose: bool = True,
        run_folder: str | Path | RunFolder | None = None,
        resume: bool = False,
    ) -> RunReport:
        """Train on one set of examples, choosing the weights by another.

        Fitting again starts again. Ctrl-C ends the fit with the best weights so far.

        Args:
            train: Examples to learn from, e.g. photos.
            val: Examples to choose by; none of them may be among `train`.
            callbacks: Further `keras.callbacks.Callback`s, used in every stage, or names of
                `kerasrecipes.callbacks.list_callbacks()`.
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
            DataError: If the examples do not suit training, or change while it runs, or the run
                folder is in use, or holds a run and `resume` is not set, or another run.
            IntegrityError: If all that could be resumed from is damaged.
            OSError: If nothing can be written in the run folder.
            KeyboardInterrupt: If interrupted before there was anything to keep.
        """
        judged = judge_recipe(self)
        used = check_callbacks(callbacks, self)
        run = as_run_folder(run_folder, resume)
        check_examples(train=train, val=val)
        return self._fit(judged, train, val, callbacks=used, run=run)

    def _fit(
        self,
        judged: Judged,
        train: Examples,
        val: Examples,
        *,
        callbacks: "Sequence[keras.callbacks.Callback]" = (),
        run: RunFolder | None = None,
        leaks: list[str] | None = None,
    ) -> RunReport:
        """Fit what was judged, and perhaps searched for leaks, already."""
        from kerasrecipes.engine.devices.devices import check_run_folder
        from kerasrecipes.training.linear.start import fit_recipe

        check_run_folder(self, run)
        if hasattr(self, "fitted_") and self.fitted_.train is None:
            warn(
                f"This recipe was loaded. `fit` starts again from weights={self.weights!r}, not "
                "from the model that was saved. To begin with what that model learned, pass its "
                "folder as `weights`."
            )
        train, val = (self.prepared(side, judged.spec) for side in (train, val))
        judged = self.for_count(judged, len(train))
        check_measured(judged.head, self, train.class_names)
        giver = giver_of(self.weights)  # before an alias or the latest version means another
        parents = () if giver is None else (giver.as_parent("the weights that it started from"),)
        with nullcontext() if run is None else run.locked():
            fitted = fit_recipe(judged, train, val, tuple(callbacks), run, leaks)
            fitted = replace(fitted, parents=parents)
            self.fitted_ = fitted  # not lost if it cannot be measured
            self.fitted_, _ = fitted.measured(val, "val", self.seed)
            self._measure_own("val")
            if run is not None:
                run.finish(self.report_)
        return self.report_

    @named
    @heeds_verbose
    def probe(self, train: Examples, val: Examples, *, verbose: bool = True) -> "ProbeResult":
        """Measure in seconds how far the backbone gets as it is, before anything is trained.

        The recipe stays as it is; see `kerasrecipes.choosing.probe.probe_backbone`.

        Args:
            train: Examples to learn from.
            val: Examples to judge by; none of them may be among `train`.
            verbose: Whether to warn of leaks between the two.

        Returns:
            A `ProbeResult`; print it.

        Raises:
            ValueError: If an argument of the recipe is not usable.
            DataError: If the examples do not suit training, or change while it runs.
        """
        from kerasrecipes.training.linear.probe import probe_recipe

        return probe_recipe(self, train, val)

    @named
    def predict(self, examples: Examples) -> np.ndarray:
        """Return what the model answers, e.g. class probabilities.

        Args:
            examples: What to ask it about; labels are not looked at. See `photos_from_arrays` for
                what lies in memory.

        Returns:
            float32, one row per example: of classes or labels the scores, shape `(n, classes)`,
            in the order of `labels_`.

        Raises:
            NotFittedError: Before `fit`.
            DataError: If an example cannot be read, or changed since it was scanned.
        """
        model = self.model_
        check_examples(examples=examples)
        return predict_scores(model, self._as_fitted(examples))

    @named
    def embed(self, examples: Examples) -> np.ndarray:
        """Return what examples can be compared by, with `NearestNeighbours` or `recall_at_k`.

        Args:
            examples: Any, also of classes that the model does not know.

        Returns:
            float32, shape `(n, length)`: embeddings of length 1 from the heads `"embedding"` and
            `"margin"`, otherwise the pooled features of the backbone.

        Raises:
            NotFittedError: Before `fit`.
            DataError: If an example cannot be read, or changed since it was scanned.
        """
        model = self.model_
        check_examples(examples=examples)
        return predict_scores(embedding_model(model), self._as_fitted(examples))

    @named
    def evaluate(self, examples: Examples, *, split: str = "test") -> Result:
        """Measure the model on examples that it has not seen.

        They are remembered: `save` keeps some of those of the split `"test"`, with the
        scores, as golden vectors against which every exported file is verified; without any,
        some of those measured last.

        Args:
            examples: Labelled examples of the same classes.
            split: What to call them in the report.

        Returns:
            An `Evaluation`; print it.

        Raises:
            NotFittedError: Before `fit`.
            DataError: If examples were used in the fit, cannot be read, or have other classes.
            ValueError: If `split` is one of `kerasrecipes.data.seen.FIT_SIDES`, e.g. `"val"`.
        """
        fitted = self._fitted("model_")
        if split in FIT_SIDES:
            raise ValueError(f"`split` must not be {split!r}, which names examples of the fit.")
        check_examples(examples=examples)
        examples = self._as_fitted(examples)
        refuse_seen(fitted.seen, examples)
        self.fitted_, evaluation = fitted.measured(examples, split, self.seed)
        self._measure_own(split)
        return evaluation

    def _measure_own(self, split: str) -> None:
        """Write down what `metrics` say of examples that were just measured."""
        if self.metrics:
            from kerasrecipes.metrics.own import measure

            held = self.fitted_.held_out[split]
            names = self.output_.class_names
            own = measure(self.metrics, names, np.asarray(held.targets), held.answers)
            self.report_.metrics[split] = own

    @named
    def save(self, folder: str | Path) -> Bundle:
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

        self._fitted("model_")
        check_first_worker(self.devices)
        return save_recipe(self, Path(folder))

    @classmethod
    @named
    def load(cls, folder: Bundle | str | Path) -> Self:
        """Read a saved recipe, ready to evaluate and predict.

        Args:
            folder: A model folder (its latest version) or one version of it, or a bundle.

        Raises:
            DataError: If there is no bundle, or it holds a recipe of another type.
            IntegrityError: If a file of it was changed.
        """
        bundle = Bundle.load(folder)
        if bundle.manifest.recipe_type != cls.name:
            raise DataError(
                f"'{printable(bundle.folder)}' holds a recipe of the type "
                f"{bundle.manifest.recipe_type!r}, not {cls.name!r}. Load it with "
                "kerasrecipes.load_recipe(folder)."
            )
        recipe = cls.from_config(bundle.manifest.recipe)
        recipe.fitted_ = Fitted(
            model=bundle.load_model(),
            modality=bundle.manifest.modality,
            input=bundle.input,
            output=bundle.output,
            others=bundle.manifest.outputs[1:],
            report=bundle.report(),
            seen=bundle.seen(),
            parents=(bundle.as_parent("what it was, or learned from"),),
        )
        return recipe

    def __repr__(self) -> str:
        changed = ", ".join(
            f"{row.name}={getattr(self, row.name)!r}"
            for row in self.table
            if getattr(self, row.name) != getattr(type(self), row.name)
        )
        return f"{type(self).__name__}({changed})"
