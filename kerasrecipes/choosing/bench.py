"""The photos on which several backbones are measured alike, and their splits."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.choosing.trial_export import TrialExport
from kerasrecipes.data.examples import LABELS, Examples
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.data.strata import join_units
from kerasrecipes.errors import DataError
from kerasrecipes.evaluation.base import Result
from kerasrecipes.evaluation.task import Task
from kerasrecipes.heads import Head
from kerasrecipes.heads.classification import CLASSIFICATION
from kerasrecipes.photos.photo_set import PhotoSet
from kerasrecipes.photos.scan import scan_photos
from kerasrecipes.photos.split import split_photos
from kerasrecipes.statistics.clustered import clustered_share
from kerasrecipes.statistics.estimate import Estimate
from kerasrecipes.training.linear.depths import depth_features, linear_head, linear_model
from kerasrecipes.training.linear.probe import choice_for
from kerasrecipes.training.linear.regression import linear_weights

if TYPE_CHECKING:
    import keras

    from kerasrecipes.backbones.spec import Backbone

SPLITS = 3


@dataclass(frozen=True)
class Bench:
    """Photos to measure backbones on, split several times.

    Args:
        photos: All but the test photos.
        splits: For each split, indices of the photos to learn from, and to judge by.
        units: What each photo belongs to, shape `(n,)`: photos of one part, and look-alikes,
            are one unit.
        seed: Seed of what is drawn.
    """

    photos: PhotoSet
    splits: tuple[tuple[np.ndarray, np.ndarray], ...]
    units: np.ndarray
    seed: int

    @classmethod
    def of(
        cls, photos: PhotoSet, split_by: str, test_fraction: float, val_fraction: float, seed: int
    ) -> "Bench":
        """Set the test photos aside, and split the others up to three times.

        Args:
            photos: A scanned set.
            split_by: How to split; see `split_photos`.
            test_fraction: Share of the photos that is set aside.
            val_fraction: Share of the photos that judges.
            seed: Seed of the first split, which is the one that training would make.

        Raises:
            ValueError: If an argument is not usable.
            DataError: If the photos cannot be split so.
        """
        fractions: Any = {"test_fraction": test_fraction, "val_fraction": val_fraction}
        train, val, test = split_photos(photos, **fractions, split_by=split_by, seed=seed)
        aside = set(test.photos)
        rest = photos.select(i for i, photo in enumerate(photos.photos) if photo not in aside)
        sides = [(train, val)]
        fractions = {"test_fraction": 0, "val_fraction": len(val) / len(rest)}
        # By time there is one split only, and a declared one comes back every time.
        for again in range(1, SPLITS if split_by != "time" and len(val) else 1):
            train, val, _ = split_photos(rest, **fractions, split_by=split_by, seed=seed + again)
            if all(set(val.photos) != set(other.photos) for _, other in sides):
                sides.append((train, val))
        place = {photo: i for i, photo in enumerate(rest.photos)}
        splits: Any = tuple(
            tuple(np.array([place[photo] for photo in side.photos], np.int64) for side in pair)
            for pair in sides
        )
        return cls(rest, splits, _units(rest), seed)

    @property
    def grouped(self) -> bool:
        """Whether somebody declared which photos belong together."""
        return any(group is not None for group in self.photos.groups)

    @property
    def train(self) -> PhotoSet:
        """The photos to learn from in the first split."""
        return self.photos.select(self.splits[0][0])

    @property
    def val(self) -> PhotoSet:
        """The photos to judge by in the first split."""
        return self.photos.select(self.splits[0][1])

    @property
    def judged(self) -> np.ndarray:
        """Indices of the photos to judge by, split after split."""
        return np.concatenate([val for _, val in self.splits])

    def probe(
        self, backbone: "keras.Model", spec: "Backbone", head: Head
    ) -> tuple[dict, TrialExport]:
        """Judge a backbone with a linear head on every split.

        Which linear head is found on the photos to learn from of the first split.

        Args:
            backbone: What `BackboneSpec.build` returned.
            spec: Its specification.
            head: What is to learn from the photos; see `linear_head` for what stands in for it.

        Returns:
            `accuracy`, `recalls`, `qualities`, `task` and `evaluation` of a `BackboneFile`, and
            the backbone with the head of the first split, ready to be exported.

        Raises:
            DataError: If a photo cannot be read, or changed since it was scanned.
        """
        task, linear = head.task, linear_head(self.train)
        # The trial's last layer is that of the head that stands in.
        output = head.output(self.photos).model_copy(update={"name": linear.output_name})
        targets = task.targets(self.photos, output)
        (features,) = depth_features(backbone, spec, None, self.photos)
        first, _ = self.splits[0]
        choice = choice_for(self.train, features.select(first), head, "auto", self.seed)
        probes, answers = [], []
        for train, val in self.splits:
            weights = linear_weights(self.photos.select(train), output, "auto")
            probes.append(choice.solve(features.select(train), targets[train], weights))
            answers.append(probes[-1].answers(features.last(choice.depths)[val]))
        said, wanted = np.concatenate(answers), targets[self.judged]
        output = task.decided(output, wanted, said)
        model = linear_model(backbone, spec, linear, output.width, choice.depths)
        probes[0].put_into(model)
        trial = TrialExport.of(model, self.train, self.val, answers[0], output, self.seed)
        return self._judged(task, wanted, said, output), trial

    def _judged(
        self, task: Task, targets: np.ndarray, answers: np.ndarray, output: OutputSpec
    ) -> dict:
        """Judge the answers of all splits."""
        from kerasrecipes.verify.comparing import mean_quality

        units = self.units[self.judged]
        qualities = task.quality(targets, answers, output)
        mean, found = mean_quality(qualities, units), None
        if task is not CLASSIFICATION:  # of which accuracy and recalls say all that is shown
            groups = units.astype(str).tolist()
            found = task.evaluate(targets, answers, output, groups=groups, seed=self.seed)
            mean = _headline(found, task) or mean
        return {
            "task": task.name,
            "accuracy": mean,
            "recalls": self._recalls(task, targets, answers, output),
            "qualities": qualities,
            "evaluation": found,
        }

    def _recalls(
        self, task: Task, targets: np.ndarray, answers: np.ndarray, output: OutputSpec
    ) -> dict[str, Estimate]:
        """Return the share of each class or label that is found; none where there are no such."""
        if self.photos.target == LABELS:
            members, found = targets > 0.5, answers >= output.limits()
        elif (right := task.right(targets, answers, output)) is not None:
            members = targets[:, None] == np.arange(len(output.class_names))
            found = np.broadcast_to(right[:, None], members.shape)
        else:
            return {}
        units = self.units[self.judged]
        return {
            name: clustered_share(found[rows, k], units[rows])
            for k, (name, rows) in enumerate(zip(output.class_names, members.T, strict=True))
        }


def _headline(found: Result, task: Task) -> Estimate | None:
    """Return an evaluation's first number as a mean of `Task.quality`, if it is one."""
    return task.shown_estimate(found.headline) if found.headline_name == task.quality_name else None


def scanned(
    photos: PhotoSet | str | Path, group_by: str | None, drop_small_classes: bool = False
) -> PhotoSet:
    """Return photos as a set; what would say how to scan one is an error beside it.

    Args:
        photos: A scanned set, or a folder or table; see `scan_photos`.
        group_by: What photos of one part have in common; see `scan_photos`.
        drop_small_classes: Leave classes with fewer than 2 readable photos out.

    Raises:
        ValueError: If an argument would have no effect on a set.
        DataError: If the photos cannot be scanned.
    """
    if isinstance(photos, Examples) and not isinstance(photos, PhotoSet):
        raise DataError(
            "Backbones and settings are compared on photos so far, and these are "
            f"{photos.noun[1]}. Call the `probe` of a recipe: it says what its backbone is worth."
        )
    if not isinstance(photos, PhotoSet):
        return scan_photos(photos, group_by=group_by, drop_small_classes=drop_small_classes)
    if group_by is not None or drop_small_classes:
        raise ValueError(
            "`group_by` and `drop_small_classes` would have no effect on a set that is scanned "
            "already. Pass them to scan_photos."
        )
    return photos


def _units(photos: PhotoSet) -> np.ndarray:
    units = np.empty(len(photos), dtype=np.int64)
    grouped = any(photo.group is not None for photo in photos.photos)
    for number, members in enumerate(join_units(photos, grouped, near=True)):
        units[members] = number
    return units
