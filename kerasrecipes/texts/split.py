"""Splitting texts into training, validation and test sets."""

from kerasrecipes.arguments import named
from kerasrecipes.data.splits import split_examples
from kerasrecipes.texts.text_set import TextSet


@named
def split_texts(
    texts: TextSet,
    *,
    test_fraction: float = 0.2,
    val_fraction: float = 0.2,
    split_by: str = "auto",
    seed: int = 0,
    near: bool = True,
) -> tuple[TextSet, TextSet, TextSet]:
    """Split texts into a training, a validation and a test set.

    Equal texts and near duplicates always stay together. The result depends on the seed and on the
    contents of the texts, not on their order.

    Args:
        texts: A scanned set.
        test_fraction: Share of all texts for the test set; 0 leaves it empty.
        val_fraction: Share of all texts for the validation set; 0 leaves it empty. Where a
            declared split lacks one of the two, its fraction of the declared training texts
            is cut from them.
        split_by: `"random"`, `"group"`, `"time"` or `"auto"`, as in `split_photos`: the declared
            split if there is one, else by group if groups are declared, else at random.
        seed: Decides among equally good splits.
        near: Keep near duplicates together. Pass `False` only if texts that read alike are known
            to mean different things.

    Returns:
        `(train, val, test)`; all have the class names of `texts`.

    Raises:
        ValueError: If an argument is not usable.
        DataError: If a class has too few texts or groups for all sides, or if texts lack the
            group or time that `split_by` needs.
    """
    return split_examples(
        texts,
        test_fraction=test_fraction,
        val_fraction=val_fraction,
        split_by=split_by,
        seed=seed,
        near=near,
    )
