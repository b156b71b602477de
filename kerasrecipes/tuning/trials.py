"""What was tried: kept in a file that several processes may share, so that none tries it again."""

import json
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.data.database import told_of_database
from kerasrecipes.errors import DataError, printable, require

if TYPE_CHECKING:
    import optuna

FILE = "trials.sqlite"
_PLACE = "place"
# A process that says nothing for so long is taken for dead, and what it tried is tried again.
_SIGN_OF_LIFE, _DEAD = 20, 90
_DIGITS = 7


@dataclass(frozen=True)
class Tried:
    """One candidate that was measured.

    Args:
        number: Its place among the candidates.
        costs: What the answer to each example that judges costs, shape `(n,)`.
        seconds: How long it took.
        told: What else is known of it, as plain values.
    """

    number: int
    costs: np.ndarray
    seconds: float
    told: dict[str, Any]


class Trials:
    """Candidates that are tried one after the other, by this process and others.

    Args:
        folder: Where they are kept; `None` for in memory, for this process alone.
        name: What they are trials of.
        identity: What must be the same for trials to be comparable, as plain values.
        candidates: By setting, text that stands for its value; the first one is tried first.

    Raises:
        MissingDependencyError: If the extra `tune` is not installed.
        DataError: If the folder holds trials of something else.
        OSError: If nothing can be written there.
    """

    def __init__(
        self,
        folder: Path | None,
        name: str,
        identity: Mapping[str, Any],
        candidates: Sequence[Mapping[str, str]],
    ):
        self._candidates, self._file = candidates, None if folder is None else folder / FILE
        optuna = require("optuna", "tune", "A search")
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        with self._told(), warnings.catch_warnings():  # of what its makers call experimental
            warnings.simplefilter("ignore")
            storage = None if folder is None else _storage(folder)
            self._study = optuna.create_study(storage=storage, study_name=name, load_if_exists=True)
            self._check(folder, json.loads(json.dumps(identity)))
            self._enqueue()

    def run(
        self,
        measure: Callable[[int], tuple[np.ndarray, dict[str, Any]]],
        go_on: Callable[[], bool],
    ) -> None:
        """Try what nobody has tried yet.

        Args:
            measure: Called with the place of a candidate; returns costs, and what else is known.
            go_on: Asked before each; whether there is time.
        """

        def objective(trial: "optuna.Trial") -> float:
            began = time.monotonic()
            for name in self._candidates[0]:
                trial.suggest_categorical(name, self._values(name))
            costs, told = measure(trial.user_attrs[_PLACE])
            trial.set_user_attr("costs", np.round(costs, _DIGITS).tolist())
            trial.set_user_attr("told", told)
            trial.set_user_attr("seconds", time.monotonic() - began)
            return float(costs.mean())

        while go_on() and self._in_state("WAITING"):
            with self._told(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._study.optimize(objective, n_trials=1)

    def done(self) -> list[Tried]:
        """Return what was measured, by the place of the candidates."""
        found = {}
        for trial in self._in_state("COMPLETE"):
            told = trial.user_attrs
            place = told[_PLACE]
            found[place] = Tried(place, np.array(told["costs"]), told["seconds"], told["told"])
        return [found[place] for place in sorted(found)]

    def importance(self) -> dict[str, float]:
        """Return which share of what differs is owed to each setting; empty if nothing differs."""
        import optuna

        values = {trial.value for trial in self._in_state("COMPLETE")}
        if len(values) < 3 or len(self._candidates[0]) < 2:
            return {}
        try:
            return dict(optuna.importance.get_param_importances(self._study))
        except (RuntimeError, ValueError):  # of too few trials
            return {}

    def _told(self) -> AbstractContextManager[None]:
        if self._file is None:
            return nullcontext()
        return told_of_database(self._file, "to keep what was tried", "Name another run folder.")

    def _check(self, folder: Path | None, identity: Mapping[str, Any]) -> None:
        known = self._study.user_attrs.get("identity")
        if known is None:
            self._study.set_user_attr("identity", identity)
        elif known != identity:
            differs = [key for key in identity if known.get(key) != identity[key]]
            raise DataError(
                f"'{printable(folder)}' holds a search with other {', '.join(differs)}. Name "
                "another folder, or search with the same."
            )

    def _enqueue(self) -> None:
        """Put into the queue what nobody tries or has tried; what was broken off, once more."""
        trials = self._study.get_trials(deepcopy=False)
        there = {one.user_attrs.get(_PLACE) for one in trials if one.state.name != "FAIL"}
        for place, candidate in enumerate(self._candidates):
            if place not in there:
                self._study.enqueue_trial(dict(candidate), user_attrs={_PLACE: place})

    def _values(self, name: str) -> list[str]:
        return list(dict.fromkeys(one[name] for one in self._candidates))

    def _in_state(self, state: str) -> list[Any]:
        found = self._study.get_trials(deepcopy=False)
        return [trial for trial in found if trial.state.name == state]


def _storage(folder: Path) -> Any:
    from optuna.storages import RDBStorage, RetryFailedTrialCallback
    from sqlalchemy import URL

    folder.mkdir(parents=True, exist_ok=True)
    return RDBStorage(
        URL.create("sqlite", database=str(folder / FILE)).render_as_string(),
        engine_kwargs={"connect_args": {"timeout": 60}},
        heartbeat_interval=_SIGN_OF_LIFE,
        grace_period=_DEAD,
        failed_trial_callback=RetryFailedTrialCallback(),
    )
