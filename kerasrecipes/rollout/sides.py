"""Which callers get the candidate's answers: always the same ones."""

import hashlib
import secrets


def is_tried(salt: str, key: str | None, percent: float) -> bool:
    """Tell whether a caller gets the candidate's answers.

    Args:
        salt: What the rollout is of; with the same one, whoever gets them at some percentage also
            does at every higher one.
        key: Who asks; `None` for somebody new.
        percent: Of 100 callers, how many do.

    Example:
        >>> sum(is_tried("tiles 5", f"line-{k}", 10) for k in range(1000))
        105
        >>> is_tried("tiles 5", "line-2", 10) == is_tried("tiles 5", "line-2", 10)
        True
    """
    if not 0 < percent < 100:
        return percent >= 100
    asked = secrets.token_bytes(8) if key is None else f"{salt}\0{key}".encode("utf-8", "replace")
    place = int.from_bytes(hashlib.sha256(asked).digest()[:8], "big") / 2**64
    return 100 * place < percent
