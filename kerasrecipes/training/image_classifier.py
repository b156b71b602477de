"""The recipe for photos with one label each."""

from dataclasses import KW_ONLY, dataclass, replace
from typing import TYPE_CHECKING, ClassVar, cast

from kerasrecipes.arguments import named
from kerasrecipes.backbones.spec import BackboneSpec
from kerasrecipes.data.examples import Examples
from kerasrecipes.errors import DataError
from kerasrecipes.photos.augment import Augment, tried_augmentation
from kerasrecipes.photos.modality import policy_of
from kerasrecipes.photos.photo_set import PhotoSet
from kerasrecipes.photos.synthetic.defects import SyntheticDefects
from kerasrecipes.settings.photo_rows import IMAGE_CLASSIFIER
from kerasrecipes.settings.setting import Setting
from kerasrecipes.training.recipe import Recipe

if TYPE_CHECKING:
    from kerasrecipes.backbones.spec import Backbone


@named
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
            an `Augmentation`. Or a function of `(photo, seed)`: it gets a uint8 photo (float32
            where photos are decoded to that), shape `(height, width, channels)`, and a whole
            number below 2**32, and returns one like it, 0…255; one seed, one view. Or layers of
            `keras.layers` that change photos, in a list; what they answer is clipped. Only
            training photos are augmented.
        views: Views per photo, of which each epoch shows one; the first is the photo itself,
            the others are augmented. A frozen part of the model sees each view once.
        synthetic_defects: A `SyntheticDefects` to learn also from good photos that defects of rare
            classes are drawn into, another one in each view; `None` for real photos alone. Class
            weights count what is drawn.

    Example:
        >>> ImageClassifier("efficientnet_lite0", seed=7)
        ImageClassifier(seed=7)
    """

    name: ClassVar[str] = "ImageClassifier"
    table: ClassVar[tuple[Setting, ...]] = IMAGE_CLASSIFIER

    backbone: str | BackboneSpec = "efficientnet_lite0"
    _: KW_ONLY
    image_size: tuple[int, int] | None = None
    augment: Augment = "light"
    views: int = 4
    synthetic_defects: SyntheticDefects | None = None

    @property
    def input_size(self) -> tuple[int, int] | None:
        """The size of the photos."""
        return self.image_size

    @property
    def augmentation(self) -> Augment:
        """How views of training photos differ from these."""
        return self.augment

    @property
    def view_count(self) -> int:
        """How many views of each training photo there are."""
        return self.views

    def practised(self, train: Examples) -> Examples:
        """Return the photos, and good ones with defects drawn into them where that is asked for."""
        if self.synthetic_defects is None:
            return train
        return self.synthetic_defects.added_to(cast("PhotoSet", train), self.seed, self._good_class)

    @property
    def _good_class(self) -> str | None:
        """The class of the good photos, if the recipe knows it."""
        return None

    def prepared(self, examples: Examples, spec: "Backbone") -> PhotoSet:
        """Return the photos as they are, after making sure that they are photos.

        Views of one's own are tried on photos of their channels.
        """
        photos = self._checked(examples)
        side = self.image_size or cast("BackboneSpec", spec).image_size
        size = (side, side) if isinstance(side, int) else side
        tried_augmentation(self.augment, size, photos.channels)
        return photos

    def _as_fitted(self, examples: Examples) -> PhotoSet:
        """Return photos in the size and the channels of those of training, made alike."""
        photos, fitted = self._checked(examples), policy_of(self.fitted_.input)
        policy = replace(
            photos.policy,
            resize=fitted.resize,
            fill=fitted.fill,
            channels=fitted.channels,
            dtype=fitted.dtype,
            value_range=photos.policy.value_range or fitted.value_range,
        )
        return replace(photos, policy=policy)

    def _checked(self, examples: Examples) -> PhotoSet:
        if not isinstance(examples, PhotoSet):
            raise DataError(
                f"This {self.name} takes photos, and these are {examples.noun[1]}. Scan photos "
                "with scan_photos, or use a TextClassifier or a SequenceClassifier."
            )
        return examples


NAMES = ("ImageClassifier",)
RECIPES = (ImageClassifier,)
