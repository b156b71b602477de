"""Photos as a `tf.data.Dataset`: decoded in parallel, in an order that we own."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.data.batches import index_batches, one_hot
from kerasrecipes.data.examples import Reader
from kerasrecipes.environment import import_keras
from kerasrecipes.errors import is_number
from kerasrecipes.photos.augment import Augment, Augmentation, augment_photo, tried_augmentation
from kerasrecipes.photos.decoding.channels import as_channels
from kerasrecipes.photos.own_views import OwnViews

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from kerasrecipes.photos.photo_set import PhotoSet

BATCHES_IN_FLIGHT = 4


def image_size_of(model: "keras.Model") -> tuple[int, int]:
    """Return the `(height, width)` of the photos that a model takes."""
    height, width = model.inputs[0].shape[1:3]
    return height, width


def channels_of(model: "keras.Model") -> int:
    """Return how many channels the photos have that a model takes."""
    return int(model.inputs[0].shape[-1])


class PhotoReader(Reader):
    """Reads batches of photos inside tf.data, and remembers what went wrong.

    tf.data turns every Python exception into its own type. `errors()` restores the original,
    so that a user reads about a changed file and not about an `UnknownError`.

    Args:
        photos: What to read.
        image_size: `(height, width)` in pixels.
        augmentation: How views differ from the photo.
        seed: Seed of the views.
        channels: Of what is read; `None` for those of the photos. Grey ones are read as RGB, too.
    """

    def __init__(
        self,
        photos: "PhotoSet",
        image_size: tuple[int, int],
        augmentation: Augmentation | OwnViews = Augmentation(),
        seed: int = 0,
        channels: int | None = None,
    ):
        self.examples: PhotoSet = photos
        self._image_size = (image_size[0], image_size[1])
        self._channels = channels or photos.policy.channels
        self._augmentation = augmentation
        self._seed = seed

    @property
    def _shape(self) -> tuple[int, int, int]:
        return (*self._image_size, self._channels)

    @property
    def varies(self) -> bool:
        """Whether one view differs from another."""
        return self._augmentation != Augmentation()

    def identity(self) -> tuple:
        """Return what the pixels of a view depend on besides its number; two readers that
        agree in it read the same."""
        files = tuple(
            (photo.facts.sha256, photo.synthetic and photo.synthetic.identity, photo.tile)
            for photo in self.examples.photos
        )
        seed = None if self._augmentation == Augmentation() else self._seed
        return files, self.examples.policy, self._shape, self._augmentation, seed

    def for_model(self, model: "keras.Model") -> "PhotoReader":
        """Return a reader of the same views, at the size that another model takes."""
        how = self._augmentation, self._seed, channels_of(model)
        return PhotoReader(self.examples, image_size_of(model), *how)

    def in_order(self, batch_size: int) -> Iterator[Any]:
        """Yield batches of all photos as they are, once, in their own order.

        A batch is a float32 tensor of shape `(batch, height, width, channels)`, 0…255.
        """
        order = index_batches(len(self.examples), batch_size, None, range(1), 1)
        with self.errors():
            for _, _, pixels in self.batches(order).prefetch(2):
                yield pixels

    def batches(self, order: "tf.data.Dataset") -> "tf.data.Dataset":
        """Turn a dataset of `(index, view)` batches into `(index, view, photos)`.

        Photos are float32, shape `(batch, height, width, channels)`, 0…255.
        """
        import tensorflow as tf

        def load(index: Any, view: Any) -> Any:
            pixels = tf.numpy_function(self._read_all, [index, view], tf.float32)
            return index, view, tf.ensure_shape(pixels, (None, *self._shape))

        return order.map(load, num_parallel_calls=BATCHES_IN_FLIGHT, deterministic=True)

    def read(self, index: int, view: int) -> np.ndarray:
        """Return one view of one photo, float32, shape `(height, width, channels)`, 0…255.

        Args:
            index: Which photo.
            view: Which view of it, from 0; the first is the photo itself.

        Raises:
            DataError: If the photo cannot be read, or changed since it was scanned.
        """
        return as_channels(self._view(index, view), self._channels)

    def _view(self, index: int, view: int) -> np.ndarray:
        changes = view != 0 and self._augmentation != Augmentation()
        pixels = self.examples.pixels(index, self._image_size, view if changes else 0)
        # The first view is the photo as it is: training on changed photos alone would leave
        # the model, whose BatchNorm statistics are frozen, a little off on real ones.
        if not changes:
            return pixels.astype(np.float32)
        # One generator per photo and view, whatever batch they meet in.
        drawn = [self._seed, index, view]
        if isinstance(self._augmentation, OwnViews):
            return self._augmentation.view(pixels, drawn)
        rng = np.random.default_rng(drawn)
        return augment_photo(pixels, rng, self._augmentation)

    def _read_all(self, indices: np.ndarray, views: np.ndarray) -> np.ndarray:
        try:
            photos = [self.read(i, v) for i, v in zip(indices, views, strict=True)]
            # One of several devices may have no share of an epoch's last batch.
            return np.stack(photos) if photos else np.empty((0, *self._shape), np.float32)
        except Exception as error:
            self._error = error
            raise


@named
def to_dataset(
    photos: "PhotoSet",
    image_size: tuple[int, int],
    *,
    batch_size: int = 32,
    seed: int | None = None,
    epochs: range = range(1),
    augment: Augment = "none",
    views: int | None = None,
) -> "tf.data.Dataset":
    """Return photos as a `tf.data.Dataset` for a bare `model.fit`.

    Args:
        photos: What to read.
        image_size: `(height, width)` in pixels.
        batch_size: Photos per batch; the last one of an epoch may be smaller.
        seed: Seed of order and augmentation; `None` keeps the order of `photos`.
        epochs: The epochs to produce, e.g. `range(5)`; each has its own order and views. With
            more than one, pass `steps_per_epoch=ceil(len(photos) / batch_size)` to `fit`.
        augment: A preset of `AUGMENTATIONS`, an `Augmentation`, a function of `(photo, seed)`, or
            layers of Keras; see `ImageClassifier`.
        views: Number of distinct views per photo; `None` for fresh ones every epoch. The first
            view, that of epoch 0, is the photo itself.

    Returns:
        A dataset of `(photos, targets)`: float32 `(batch, height, width, channels)`, 0…255, and
        one-hot float32 `(batch, classes)`.

    Raises:
        ValueError: If `augment` is unknown, only the first view would ever be shown, or
            `batch_size` is below 1.
    """
    import_keras()
    import tensorflow as tf

    if not is_number(batch_size, 1, math.inf, whole=True):
        raise ValueError(f"`batch_size` must be a whole number of at least 1, not {batch_size!r}.")
    augmentation = tried_augmentation(augment, image_size, photos.policy.channels)
    only_first_view = views == 1 or (views is None and epochs == range(1))
    if augmentation != Augmentation() and only_first_view:
        raise ValueError(
            "`augment` would have no effect: the first view is the photo itself. Pass the epochs "
            "of the training, e.g. epochs=range(10), and at least 2 `views` or None."
        )
    indices = index_batches(len(photos), batch_size, seed, epochs, views)
    batches = PhotoReader(photos, image_size, augmentation, seed or 0).batches(indices)
    targets = tf.constant(one_hot(photos))
    return batches.map(lambda i, _, x: (x, tf.gather(targets, i))).prefetch(2)
