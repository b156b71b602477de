"""How a candidate is tried, and what takes it back: a file that people keep with their code.

```toml
percent = 10                # of callers who get the candidate's answers
shadow_percent = 100        # of requests that the other version answers, too, unseen
max_more_errors = 0.01
max_disagreement = 0.10
```
"""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from kerasrecipes.arguments import named
from kerasrecipes.records import checked, read_toml

_Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
_Share = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]


class RolloutPolicy(BaseModel):
    """How a candidate is tried beside the version in use, and what takes it back.

    Args:
        percent: How many of 100 callers get the candidate's answers. Whoever does, goes on doing
            so, also after a restart and with a higher percentage.
        shadow_percent: Of 100 requests, how many the other version answers, too, unseen by anyone,
            to compare both pair by pair.
        header: The header whose value says who asks; `?key=` says the same. A request without
            either is by somebody new.
        false_rollbacks: The chance that a candidate within all limits is ever taken back, 0…1.
        max_more_errors: How much more often it may fail than the version in use, 0…1.
        max_slower: It may take so many times as long; in every second answer at most, longer.
        max_disagreement: Share of pairs in which both may answer otherwise, 0…1.
        max_number_apart: Numbers that are further apart are not the same answer; for models that
            answer with a number.
        max_more_of_a_class: How much more, or less, often it may answer a class, 0…1.
        outcome_range: Between what lies what callers report by `POST /feedback`, more being
            better, e.g. `[0, 1]`; `None` if they report nothing.
        max_lower_outcome: How much lower their mean may be, in their unit.
        requests: After so many answers of the candidate, or pairs, without an alarm it is ready to
            be promoted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    percent: _Percent = 5.0
    shadow_percent: _Percent = 100.0
    header: str = Field(default="X-Rollout-Key", pattern="^[A-Za-z][A-Za-z0-9-]{0,63}$")
    false_rollbacks: float = Field(default=0.05, gt=0, lt=1, allow_inf_nan=False)
    max_more_errors: _Share = 0.01
    max_slower: float = Field(default=1.5, ge=1, allow_inf_nan=False)
    max_disagreement: _Share = 0.1
    max_number_apart: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    max_more_of_a_class: _Share = 0.1
    outcome_range: tuple[float, float] | None = None
    max_lower_outcome: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    requests: int = Field(default=1000, ge=1)

    @model_validator(mode="after")
    def _has_an_effect(self) -> "RolloutPolicy":
        if not self.percent and not self.shadow_percent:
            raise ValueError("`percent` and `shadow_percent` are 0, so nothing would be tried")
        if self.outcome_range is None:
            if self.max_lower_outcome:
                raise ValueError("`max_lower_outcome` has no effect without `outcome_range`")
            return self
        low, high = self.outcome_range
        if not self.max_lower_outcome < high - low:
            raise ValueError("`outcome_range` must go up, by more than `max_lower_outcome`")
        if not 0 < self.percent < 100:
            raise ValueError("`outcome_range` needs callers of both versions: `percent` in between")
        return self

    @classmethod
    @named
    def read(cls, path: str | Path) -> "RolloutPolicy":
        """Read a file of such settings.

        Args:
            path: A TOML file.

        Raises:
            DataError: If it is no TOML, or says what is not known or cannot be.
            OSError: If it cannot be read.
        """
        return read_toml(cls, Path(path))

    @classmethod
    @named
    def of(cls, values: Any) -> "RolloutPolicy":
        """Build it from plain values.

        Raises:
            ValueError: If one cannot be.
        """
        return checked(cls, values)
