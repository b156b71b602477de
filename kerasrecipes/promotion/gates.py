"""What a version must fulfil before an alias may mean it: a file that people keep with their code.

```toml
photos = "stable_test/"    # labelled, and new to the models; beside this file
min_accuracy = 0.95
min_worst_class = 0.80
max_latency_ms = 20.0
max_size_mb = 6.0
```
"""

import hashlib
import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from kerasrecipes.errors import DataError, did_you_mean, listed, printable
from kerasrecipes.records import checked
from kerasrecipes.regular import read_regular

_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_Limit = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_ABOUT_PHOTOS = ("min_accuracy", "min_worst_class", "leave_out_seen")


class Gates(BaseModel):
    """What is asked of a version. Its files and golden vectors are checked in any case.

    Args:
        photos: A folder or table of labelled photos or texts, on which the version must not be
            shown to be worse than the one that it replaces.
        leave_out_seen: Leave those out that either was trained or chosen on, instead of refusing.
        min_accuracy: Least share of right answers to them.
        min_worst_class: Least share of them that is found of any class.
        max_latency_ms: Most milliseconds, the median on one thread of this machine.
        max_p95_ms: Most milliseconds that 95 of 100 answers take there.
        max_size_mb: Most megabytes of the exported file.
        max_memory_mb: Most megabytes of memory beyond the runtime's own.
        operating_point: Whether it must have an operating point; it must in any case where the one
            that it replaces has one.
        drift_profile: Whether it must hold what drift is measured from.
        licences: Which licences its pretrained weights may have, e.g. `["Apache-2.0", "none"]`.
        trust: A file of whose signatures count; it must be signed by one of them.
        same_question: Whether its classes, task and kind of data must be those of the one that it
            replaces.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)

    photos: str | None = None
    leave_out_seen: bool = False
    min_accuracy: _Share | None = None
    min_worst_class: _Share | None = None
    max_latency_ms: _Limit | None = None
    max_p95_ms: _Limit | None = None
    max_size_mb: _Limit | None = None
    max_memory_mb: _Limit | None = None
    operating_point: bool = False
    drift_profile: bool = False
    licences: tuple[str, ...] | None = None
    trust: str | None = None
    same_question: bool = True

    def check(self, where: str) -> None:
        """Refuse what would have no effect.

        Args:
            where: What to call the gates in the message.

        Raises:
            DataError: If something is asked about photos, and there are none.
        """
        asked = [name for name in _ABOUT_PHOTOS if getattr(self, name)]
        if asked and self.photos is None:
            raise DataError(
                f"{where} asks for {listed(asked)}, and names no photos to measure them on. Add a "
                'line, e.g. photos = "stable_test/".'
            )


def read_gates(path: str | Path, photos: str | Path | None = None) -> tuple[Gates, str]:
    """Read a file of gates.

    Args:
        path: The file; what it names lies beside it.
        photos: In place of the photos that it names.

    Returns:
        The gates, and the digest of the file.

    Raises:
        DataError: If it is no TOML, or asks for what is not known.
        OSError: If it cannot be read.
    """
    path = Path(path)
    content = read_regular(path)
    where = f"'{printable(path)}'"
    try:
        values = tomllib.loads(content.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise DataError(f"{where} is no TOML file: {printable(error)}. Correct it.") from error
    if photos is not None:
        values["photos"] = str(Path(photos).absolute())
    for name in values.keys() - Gates.model_fields.keys():
        raise DataError(
            f"{where} asks for {printable(name)!r}, which is no gate."
            f"{did_you_mean(name, Gates.model_fields)} Gates are {listed(Gates.model_fields, 20)}."
        )
    try:
        gates = checked(Gates, values)
    except ValueError as error:
        raise DataError(f"{where} cannot be used: {error}. Correct that line.") from error
    gates.check(where)
    if gates.trust is not None:
        gates = gates.model_copy(update={"trust": str(path.parent / gates.trust)})
    if gates.photos is not None:
        gates = gates.model_copy(update={"photos": str(path.parent / gates.photos)})
        if not Path(gates.photos or "").exists():
            raise DataError(
                f"{where} names '{printable(gates.photos)}', which does not exist. A path is "
                "relative to the file of gates."
            )
    return gates, hashlib.sha256(content).hexdigest()
