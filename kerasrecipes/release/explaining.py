"""Heatmaps of saved, fitted and other models, and how often they point at what was marked."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.bundles.bundle import BundleFolder
from kerasrecipes.data.examples import check_examples
from kerasrecipes.data.specs import ModelInput
from kerasrecipes.data.tables.table import TABLE_SUFFIXES
from kerasrecipes.errors import DataError, printable, unknown_name
from kerasrecipes.explaining.class_maps import ClassMaps, enlarged
from kerasrecipes.explaining.heatmap import Heatmap
from kerasrecipes.explaining.pointing import PointingGame
from kerasrecipes.files import complete_file, told_plainly
from kerasrecipes.photos.decoding.channels import RGB, shown
from kerasrecipes.photos.decoding.decode import decode_upright
from kerasrecipes.photos.decoding.fit import STRETCH
from kerasrecipes.photos.decoding.masks import read_mask
from kerasrecipes.photos.modality import MODALITY, policy_of

if TYPE_CHECKING:
    import keras

    from kerasrecipes.photos.photo_set import PhotoSet

_BATCH = 16
# Of the pictures that are written, in pixels.
_LARGEST = 1024


@named
class Explainer:
    """Draws heatmaps of one model: where in a photo its answer comes from.

    Args:
        model: A saved model or its folder, a fitted recipe, or a functional or sequential Keras
            model of photos, 0…255.
        method: `"layercam"` for what speaks for an answer, by features at two depths; `"exact"`
            for the share that each place has in it, which adds up to the score where pooling and
            one dense layer follow the features, and is coarser.

    Raises:
        ValueError: If the method is unknown, or the model has no features with places.
        DataError: If there is no saved model, or it does not take photos.
        IntegrityError: If a file of it was changed.
    """

    def __init__(self, model: "BundleFolder | str | Path | keras.Model", method: str = "layercam"):
        keras_model, spec, self.class_names = _parts_of(model)
        self._maps = ClassMaps(keras_model, method)
        self.input = spec or ModelInput.of(keras_model, "uint8", _preparation(keras_model))

    @named
    def explain(
        self, photo: str | Path | bytes | np.ndarray, of: str | int | None = None
    ) -> Heatmap:
        """Show where in a photo an answer comes from.

        Args:
            photo: A file, its bytes, or pixels as the model takes them, shape
                `(height, width, channels)`, 0…255.
            of: The class to look for, or its number; `None` for what the model says.

        Raises:
            DataError: If the photo cannot be read.
            ValueError: If there is no such class, or the pixels have another shape.
        """
        shape = tuple(self._maps.input_shape)
        if not isinstance(photo, np.ndarray):
            photo = MODALITY.decode(photo, self.input)
        elif photo.shape != shape:
            raise ValueError(
                f"`photo` must have the shape {shape}, which the model takes, not "
                f"{photo.shape}. Pass its file, or resize it."
            )
        return self._explained(photo[None], [of])[0]

    @named
    def explain_all(self, photos: "PhotoSet", of: Sequence[str | int | None]) -> Iterator[Heatmap]:
        """Show it for many photos, a few in memory at a time.

        Args:
            photos: The photos; their labels are not looked at.
            of: What to look for in each; see `explain`.

        Returns:
            An iterator over the heatmaps, in the order of the photos.

        Raises:
            DataError: If a photo cannot be read, or changed since it was scanned.
            ValueError: If there is no such class.
        """
        return self._each_explained(_prepared(photos, self.input), of)

    def _each_explained(
        self, photos: "PhotoSet", of: Sequence[str | int | None]
    ) -> Iterator[Heatmap]:
        for start in range(0, len(photos), _BATCH):
            some = range(start, min(len(photos), start + _BATCH))
            inputs = photos.select(some).stack(self._maps.input_shape)
            yield from self._explained(inputs, [of[i] for i in some])

    @named
    def point(self, photos: "PhotoSet") -> PointingGame:
        """Measure how often heatmaps of the true classes point at what somebody marked.

        Args:
            photos: Photos of a table with a column `mask`, which names a picture for a photo,
                white where it is marked; photos without a mark are left out.

        Returns:
            A `PointingGame`; print it.

        Raises:
            DataError: If nothing is marked, or a photo or mask cannot be read.
        """
        (height, width), policy = self._maps.input_shape[:2], policy_of(self.input)
        photos = _prepared(photos, self.input)
        masks = [read_mask(photo, (height, width), policy) for photo in photos.photos]
        marked = [i for i, mask in enumerate(masks) if mask is not None and mask.any()]
        if not marked:
            raise DataError(
                "No photo has a mask with a mark. Pass a table with the columns path, label and "
                "mask, which names a picture of the photo's size, white where the defect is."
            )
        chosen = photos.select(marked)
        labels = [str(one.label) for one in chosen.photos]
        # A bare model knows its classes by their numbers.
        of = labels if self.class_names else chosen.labels.tolist()
        peaks = [found.peak for found in self.explain_all(chosen, of)]
        return PointingGame.of(
            [((row + 0.5) / height, (column + 0.5) / width) for row, column in peaks],
            [mask for mask in masks if mask is not None and mask.any()],
            labels,
            np.array([one.group or one.key for one in chosen.photos]),
        )

    def _explained(self, photos: np.ndarray, of: Sequence[str | int | None]) -> list[Heatmap]:
        wanted = [-1 if one is None else self.check(one) for one in of]
        maps, answers, chosen = self._maps.of(photos, np.array(wanted))
        values = enlarged(np.maximum(maps, 0), photos.shape[1:3])
        values /= np.maximum(values.max(axis=(1, 2), keepdims=True), np.finfo(np.float32).tiny)
        names = self.class_names or [str(k) for k in range(answers.shape[1])]
        return [
            Heatmap(heat, names[k], float(scores[k]), self._maps.method, shown(photo))
            for heat, k, scores, photo in zip(values, chosen, answers, photos, strict=True)
        ]

    @named
    def check(self, of: str | int) -> int:
        """Return the number of a class.

        Args:
            of: The class, or its number.

        Raises:
            ValueError: If there is no such class.
        """
        width = len(self.class_names) or self._maps.width
        if isinstance(of, str):
            if of not in self.class_names:
                see = "the model's class_names"
                raise unknown_name("class", of, self.class_names, see)
            return self.class_names.index(of)
        if not 0 <= of < width:
            raise ValueError(
                f"`of` must be a class, or its number from 0 to {width - 1}, not {of}."
            )
        return of


def _preparation(model: "keras.Model") -> dict[str, Any]:
    channels = model.inputs[0].shape[-1]
    return {} if channels == RGB else {"channels": channels}


def _parts_of(model: Any) -> "tuple[keras.Model, ModelInput | None, tuple[str, ...]]":
    """Return the Keras model, what it takes, and its classes, if they are known."""
    if isinstance(model, str | Path):
        model = BundleFolder.load(model)
    fitted = model.fitted_ if hasattr(model, "fitted_") else None
    if isinstance(model, BundleFolder):
        _check_photos(model.manifest.modality)
        return model.load_model(), model.input, model.class_names
    if fitted is not None:
        _check_photos(fitted.modality)
        return fitted.model, fitted.input, fitted.output.class_names
    return model, None, ()


def _prepared(photos: Any, spec: ModelInput) -> "PhotoSet":
    """Return photos, to be decoded as in training."""
    check_examples(photos=photos)
    return MODALITY.prepared(photos, spec)


def _check_photos(modality: str) -> None:
    if modality != MODALITY.name:
        raise DataError(
            f"Heatmaps are of photos, and this model takes {modality}. Of texts, "
            "kerasrecipes.TextExplainer tells which words matter."
        )


@named
def heatmap(
    model: "BundleFolder | str | Path | keras.Model",
    photo: str | Path | bytes | np.ndarray,
    of: str | int | None = None,
    method: str = "layercam",
) -> Heatmap:
    """Show where in one photo a model's answer comes from; for many photos, keep an `Explainer`.

    Args:
        model: As in `Explainer`.
        photo: As in `Explainer.explain`.
        of: As in `Explainer.explain`.
        method: As in `Explainer`.

    Returns:
        The `Heatmap`: values 0…1 of the size that the model takes, and pictures of it.

    Raises:
        ValueError: If an argument cannot be used, or the model has no features with places.
        DataError: If the photo or the saved model cannot be read.
        IntegrityError: If a file of the saved model was changed.
    """
    return Explainer(model, method).explain(photo, of)


@named
def write_heatmaps(
    explainer: Explainer,
    photos: Iterable[str | Path],
    to: str | Path,
    of: str | int | None = None,
) -> Iterator[tuple[Path, Path | None, Heatmap | DataError]]:
    """Write a picture of each photo, with its heatmap beside it.

    Args:
        explainer: What explains them.
        photos: Photos, folders of photos, or tables of them.
        to: The folder of the pictures; `crack/1.jpg` of a folder becomes `crack/1.jpg.png` there.
        of: As in `Explainer.explain`.

    Returns:
        An iterator over each photo, its picture, and its heatmap; a photo that cannot be read has
        no picture, and the error is in place of the heatmap.

    Raises:
        DataError: If `to` lies among the photos, where pictures would be taken for more of them.
        ValueError: If there is no such class.
    """
    to, sources = Path(to), [Path(photo) for photo in photos]
    for source in sources:
        if source.is_dir() and to.resolve().is_relative_to(source.resolve()):
            raise DataError(
                f"'{printable(to)}' lies inside the photos in '{printable(source)}', where "
                "heatmaps would be taken for photos. Name a folder elsewhere, e.g. heatmaps."
            )
    if of is not None:
        explainer.check(of)
    return _written(explainer, sources, to, of)


def _written(
    explainer: Explainer, sources: list[Path], to: Path, of: str | int | None
) -> Iterator[tuple[Path, Path | None, Heatmap | DataError]]:
    policy = policy_of(explainer.input)
    drawn: set[Path] = set()
    for photo, name in _listed(explainer, sources):
        if name in drawn:
            raise DataError(
                f"Two photos would have the picture '{printable(name)}.png'. Name their folders in "
                "two calls, each with a folder of its own to write in."
            )
        drawn.add(name)
        try:
            found = explainer.explain(photo, of)
            # A map of a photo that was not stretched is not one of the whole photo as it is.
            stretched = policy.resize == STRETCH
            own = decode_upright(photo, policy) if stretched else None
        except DataError as error:
            yield photo, None, error
            continue
        if own is not None:
            own.thumbnail((_LARGEST, _LARGEST))
        picture = to / f"{name}.png"
        with told_plainly(picture):
            picture.parent.mkdir(parents=True, exist_ok=True)
            with complete_file(picture) as file:
                file.write(found.png(own))
        yield photo, picture, found


def _listed(explainer: Explainer, sources: list[Path]) -> Iterator[tuple[Path, Path]]:
    """Yield each photo, and what its picture is called."""
    for source in sources:
        if source.is_dir():
            yield from (
                (path, path.relative_to(source))
                for path in MODALITY.find(source, policy_of(explainer.input))
            )
        elif source.suffix.lower() in TABLE_SUFFIXES:
            for photo in MODALITY.scan(source, explainer.input).photos:
                yield photo.path, Path(photo.path.parent.name, photo.path.name)
        else:
            yield source, Path(source.parent.name, source.name)
