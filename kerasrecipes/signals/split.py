"""Splitting signals into training, validation and test sets."""

from kerasrecipes.arguments import named
from kerasrecipes.data.splits import split_examples
from kerasrecipes.signals.signal_set import SignalSet


@named
def split_signals(
    signals: SignalSet,
    *,
    test_fraction: float = 0.2,
    val_fraction: float = 0.2,
    split_by: str = "auto",
    seed: int = 0,
    near: bool = True,
) -> tuple[SignalSet, SignalSet, SignalSet]:
    """Split signals into a training, a validation and a test set.

    Windows of one recording, equal signals and near duplicates always stay together, whatever they
    are split by. The result depends on the seed and on the contents of the signals, not on their
    order.

    Args:
        signals: A scanned set.
        test_fraction: Share of all signals for the test set; 0 leaves it empty.
        val_fraction: Share of all signals for the validation set; 0 leaves it empty. Where a
            declared split lacks one of the two, its fraction of the declared training signals
            is cut from them.
        split_by: `"random"`, `"group"` (by subject), `"time"` or `"auto"`, as in `split_photos`:
            the declared split if there is one, else by group if groups are declared, else at
            random.
        seed: Decides among equally good splits.
        near: Keep near duplicates together. Pass `False` only if signals that are nearly equal are
            known to mean different things.

    Returns:
        `(train, val, test)`; all have the class names of `signals`.

    Raises:
        ValueError: If an argument is not usable.
        DataError: If a class has too few recordings or groups for all sides, or if signals lack
            the group or time that `split_by` needs.
    """
    return split_examples(
        signals,
        test_fraction=test_fraction,
        val_fraction=val_fraction,
        split_by=split_by,
        seed=seed,
        near=near,
    )
