"""Splitting photos into training, validation and test sets."""

from kerasrecipes.arguments import named
from kerasrecipes.data.splits import split_examples
from kerasrecipes.photos.photo_set import PhotoSet


@named
def split_photos(
    photos: PhotoSet,
    *,
    test_fraction: float = 0.2,
    val_fraction: float = 0.2,
    split_by: str = "auto",
    seed: int = 0,
    near: bool = True,
) -> tuple[PhotoSet, PhotoSet, PhotoSet]:
    """Split photos into a training, a validation and a test set.

    Identical files and near duplicates always stay together. The result depends on the seed and
    on the contents of the photos, not on their names or order.

    Args:
        photos: A scanned set.
        test_fraction: Share of all photos for the test set; 0 leaves it empty.
        val_fraction: Share of all photos for the validation set; 0 leaves it empty. Where a
            declared split lacks one of the two, its fraction of the declared training photos
            is cut from them.
        split_by: `"random"`: stratified. `"group"`: stratified as far as possible, a group is never
            on two sides; declared groups are the authority, so look-alikes of different groups
            may part. `"time"`: the oldest photos train, the newest test; photos of one time
            stay together, and so do look-alikes, at their latest time. `"auto"`: the declared
            split if there is one, else by group if groups are declared, else at random.
        seed: Decides among equally good splits.
        near: Keep near duplicates together. Pass `False` only if photos that look alike are
            known to show different things.

    Returns:
        `(train, val, test)`; all have the class names of `photos`.

    Raises:
        ValueError: If an argument is not usable.
        DataError: If a class has too few photos or groups for all sides, or if photos lack the
            group or time that `split_by` needs.

    Reference:
        Sechidis et al., 2011, "On the Stratification of Multi-Label Data": the order in which
        units are placed, rarest class first.
    """
    return split_examples(
        photos,
        test_fraction=test_fraction,
        val_fraction=val_fraction,
        split_by=split_by,
        seed=seed,
        near=near,
    )
