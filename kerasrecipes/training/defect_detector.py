"""The recipe for defects: known ones by name, and new ones by how unlike good photos they are."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.bundles.first_weights import seen_through
from kerasrecipes.console import say
from kerasrecipes.data.examples import Examples, check_examples
from kerasrecipes.data.inference import answers_by_output, run_over
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.data.tables.learnable import DROPPED, Labelled
from kerasrecipes.data.tables.table import Excluded
from kerasrecipes.engine.frozen.runtime import frozen_engine
from kerasrecipes.errors import DataError, did_you_mean, listed
from kerasrecipes.evaluation.operating.conformal import abstain_band
from kerasrecipes.keras_private import spare_names
from kerasrecipes.novelty.detector import Novelty, check_enough_good, depths_of, outputs_of
from kerasrecipes.photos.photo_set import PhotoSet
from kerasrecipes.photos.scan import scan_photos
from kerasrecipes.report.run_report import DataReport, RunReport
from kerasrecipes.settings.judging import Judged
from kerasrecipes.settings.photo_rows import DEFECT_DETECTOR
from kerasrecipes.settings.setting import Setting
from kerasrecipes.training.fitted import Fitted
from kerasrecipes.training.fitting import new_report, prepare
from kerasrecipes.training.image_classifier import ImageClassifier

if TYPE_CHECKING:
    import keras

NEW = "new"
# A covariance learns little from more, and their features lie in memory, of large photos of fewer.
_MOST_PHOTOS = 1000
_MOST_BYTES = 2 << 30
# How fast a score goes from good to new around the threshold.
_STEEPNESS = 4.0
_IDLE = ("callbacks", "synthetic_defects")


@dataclass(frozen=True)
class NoveltyFound:
    """How unlike good photos some photos are.

    Args:
        scores: float32 `(n,)`: 0 is as good photos are, 1 one standard deviation further off.
        maps: float32 `(n, height, width)`, in standard deviations of places of good photos.
        is_new: bool `(n,)`, where the score reaches the threshold.
        threshold: From this score on a photo is new.
    """

    scores: np.ndarray
    maps: np.ndarray
    is_new: np.ndarray
    threshold: float


@named
@dataclass(repr=False, eq=False)
class DefectDetector(ImageClassifier):
    """Tell defects apart by name, and tell what is unlike all good photos, in one pass.

    Besides the scores of an `ImageClassifier` its model answers with `"novelty"`, how unlike the
    good training photos a photo is, and `"novelty_map"`, where. Both are learned from good photos
    alone, after the training, by the features that it left (Defard et al., 2021, "PaDiM"; Rippel
    et al., 2021, "Modeling the Distribution of Normal Data in Pre-Trained Deep Features"), and
    are in every file that is exported.

    With photos of the class `good` alone, nothing is trained: the model then tells `good` from
    `"new"` by novelty, and photos of any other class are new to `evaluate`.

    Args:
        good: The class of the good photos.
        false_alarms: The share of good photos to come that may be called new. It holds on average
            over choices of validation photos, if those to come are like them (split conformal;
            Vovk et al., 2005); photos of one part count once.

    Example:
        >>> DefectDetector(good="free", seed=7)
        DefectDetector(good='free', seed=7)
    """

    name: ClassVar[str] = "DefectDetector"
    table: ClassVar[tuple[Setting, ...]] = DEFECT_DETECTOR
    good: str = "good"
    false_alarms: float = 0.05

    @property
    def _good_class(self) -> str:
        """The class of the good photos."""
        return self.good

    def _fit(
        self,
        judged: Judged,
        train: Examples,
        val: Examples,
        *,
        leaks: list[str] | None = None,
        **how: Any,
    ) -> RunReport:
        check_examples(train=train, val=val)
        if alone := train.class_names == (self.good,):
            told = [one for stage in judged.schedule.stages for one in stage.callbacks]
            told += how.get("callbacks") or ()
            synthetic = self.synthetic_defects
            _refuse_idle({**how, "callbacks": told, "synthetic_defects": synthetic})
        good, held_out = self._good_ones(train), self._good_ones(val)
        self._check_enough(held_out)
        check_enough_good(_units(good))
        if alone:
            return self._fit_on_good_alone(judged, good, held_out, leaks)
        super()._fit(judged, train, val, leaks=leaks, **how)
        model = self.model_
        answers, others = self._learned(model, good, held_out)
        several = _with_answers(model, [model.outputs[0], *answers])
        self.fitted_ = replace(self.fitted_, model=several, others=others)
        return self.report_

    def _fit_on_good_alone(
        self, judged: Judged, train: Examples, val: Examples, leaks: list[str] | None
    ) -> RunReport:
        from keras import layers

        prepare(self)
        leaks = [one.message for one in train.check(val).leaks] if leaks is None else leaks
        data = DataReport(
            source=str(train.root),
            excluded=len(train.excluded),
            leaks=leaks,
            split_by=train.split_by,
        )
        for split, side in (("train", train), ("val", val)):
            data.add(split, side.counts(), len(side), side.digest())
        judged = judged.suited(train)
        report = new_report(self, judged.spec, data, warnings=[])
        backbone = judged.spec.build(self.input_size, self.weights_file)
        answers, others = self._learned(backbone, train, val)
        logits = layers.Dense(2, name="logits")
        scores = layers.Softmax(name="scores")(logits(answers[0]))
        bias = -_STEEPNESS * others[0].thresholds[0]
        logits.set_weights([np.array([[0, _STEEPNESS]]), np.array([0, bias])])
        model = _with_answers(backbone, [scores, *answers])
        names = (self.good, NEW)
        output = OutputSpec(name="scores", task="classification", class_names=names, rest=NEW)
        fitted = Fitted.of(
            model, output, report, train, val, seen_through(self.weights, judged.spec)
        )
        fitted = replace(fitted, others=others)
        self.fitted_, _ = fitted.measured(val, "val", self.seed)
        return self.report_

    def _learned(
        self, model: "keras.Model", train: Examples, val: Examples
    ) -> "tuple[list[keras.KerasTensor], tuple[OutputSpec, ...]]":
        """Learn from good photos, and choose on others from where on a photo is new."""
        spare_names(model)
        depths = depths_of(model)
        most = min(_MOST_PHOTOS, _MOST_BYTES // sum(4 * math.prod(x.shape[1:]) for x in depths))
        # An equal share is drawn of each class, and there are photos of one.
        share = most * len(train.class_names)
        chosen = train.draw(share, self.seed) if len(train) > most else train
        found = Novelty.of(_features(model, depths, chosen), _units(chosen), self.seed)
        some = [val.select(range(i, min(i + most, len(val)))) for i in range(0, len(val), most)]
        scores = np.concatenate([found.scores(_features(model, depths, one)) for one in some])
        threshold, parts = threshold_of(scores, val.groups, self.false_alarms, self.seed)
        say(
            f"Novelty was learned from {len(chosen)} good photos. From {threshold:.2f} standard "
            f"deviations on a photo is new, which happens to at most {self.false_alarms:.1%} of "
            f"good photos, by {parts} validation photos of as many parts."
        )
        size = depths[-1].shape[1:3]
        return found.attach(depths), outputs_of(threshold, (size[0], size[1]), self.good)

    @named
    def novelty(self, examples: Examples) -> NoveltyFound:
        """Say how unlike good photos some photos are, and where.

        Args:
            examples: Any; labels are not looked at.

        Raises:
            NotFittedError: Before `fit`.
            DataError: If an example cannot be read, or changed since it was scanned.
        """
        import keras

        fitted = self._fitted("model_")
        check_examples(examples=examples)
        examples = self._as_fitted(examples)
        score, places = fitted.others
        asked = keras.Model(fitted.model.input, fitted.model.outputs[1:])
        scores, maps = answers_by_output(asked, examples)
        threshold, shape = score.thresholds[0], cast("tuple[int, int]", places.shape)
        maps = maps.reshape(len(maps), *shape)
        return NoveltyFound(scores[:, 0], maps, scores[:, 0] >= threshold, threshold)

    def _good_ones(self, side: Examples) -> Examples:
        """Return the good photos.

        Raises:
            DataError: If there are none of that class.
        """
        if self.good not in side.class_names:
            raise DataError(
                f"`good={self.good!r}` is none of the classes {listed(side.class_names)}."
                f"{did_you_mean(self.good, side.class_names)} Name the class of the good photos "
                "(on the command line --set good=…)."
            )
        return side.select(i for i, one in enumerate(side.items) if one.label == self.good)

    def _check_enough(self, held_out: Examples) -> None:
        parts = len(set(_units(held_out)))
        if parts + 1 < 1 / self.false_alarms:
            raise DataError(
                f"`false_alarms={self.false_alarms:g}` cannot be kept with {parts} good parts to "
                f"validate by; {1 / (parts + 1):.2g} is the lowest that can. Raise it, or give "
                f"`val` at least {math.ceil(1 / self.false_alarms - 1)} good photos, each of a "
                "part of its own."
            )


def scan_defects(source: str | Path, *, drop_small_classes: bool = False, **how: Any) -> PhotoSet:
    """Scan photos of which those of one class may be all there are.

    Args:
        source: As in `scan_photos`.
        drop_small_classes: As there.
        **how: Further arguments of it.
    """
    found = scan_photos(source, for_training=False, **how)
    if len(found.class_names) == 1:
        return found
    told = Labelled(found.root, list(found.photos), list(found.class_names), found.target)
    kept, dropped = told.learnable(drop_small_classes)
    return replace(
        found,
        photos=tuple(kept.photos),
        class_names=tuple(kept.class_names),
        excluded=(*found.excluded, *(Excluded(one.path, DROPPED) for one in dropped)),
    )


def _refuse_idle(how: Mapping[str, Any]) -> None:
    """Refuse what is about a training, where there is none."""
    for name, told in (*zip(_IDLE, _IDLE, strict=True), ("run", "run_folder")):
        if how.get(name):
            raise ValueError(
                f"`{told}` would have no effect: of good photos alone nothing is trained. Leave it "
                "out."
            )


def threshold_of(
    scores: np.ndarray, groups: Sequence[object] | None, false_alarms: float, seed: int
) -> tuple[float, int]:
    """Choose from which score on a photo is new.

    Args:
        scores: Of good photos that nothing was learned from, shape `(n,)`.
        groups: The part that each belongs to; one photo of each is drawn.
        false_alarms: The share of good photos to come that may reach the threshold.
        seed: Seed of the draw.

    Returns:
        The threshold, and the number of parts.
    """
    right = np.zeros(len(scores), np.int64)
    band = abstain_band(-scores[:, None], right, 1 - false_alarms, groups=groups, seed=seed)
    return -band.least[0], band.photos


def _units(examples: Examples) -> np.ndarray:
    """Return what each example belongs to; one without a group stands alone."""
    return np.array(
        [group or one.key for group, one in zip(examples.groups, examples.items, strict=True)]
    )


def _features(
    model: "keras.Model", tensors: "list[keras.KerasTensor]", examples: Examples
) -> list[np.ndarray]:
    import keras

    deep = keras.Model(model.input, tensors)
    return run_over(examples.reader(deep), deep, frozen_engine(deep, len(examples)))


def _with_answers(model: "keras.Model", answers: list[Any]) -> "keras.Model":
    import keras

    return keras.Model(model.input, answers, name=model.name)


NAMES = ("DefectDetector",)
RECIPES = (DefectDetector,)
