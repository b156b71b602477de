"""One run of a watch: everything in a journal since the last one."""

import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from kerasrecipes.arguments import named
from kerasrecipes.bundles.bundle import BundleFolder
from kerasrecipes.drift.detecting import look_at
from kerasrecipes.drift.history import DriftHistory
from kerasrecipes.drift.profile import PROFILE_FILE, ReferenceProfile
from kerasrecipes.drift.report import DriftReport
from kerasrecipes.errors import DataError, printable
from kerasrecipes.serve.entry import Logged
from kerasrecipes.serve.journal import Journal
from kerasrecipes.watching.alerts import Alarm, tell_of
from kerasrecipes.watching.budgets import look_at_budgets
from kerasrecipes.watching.facts import Facts
from kerasrecipes.watching.logged import LoggedWindow, has_answer, observed, targets_of
from kerasrecipes.watching.settings import WatchSettings
from kerasrecipes.watching.state import LOOKED, ROW, TRUTH, WatchState
from kerasrecipes.watching.watch_report import DRIFT, QUALITY, WatchReport

# One run takes so many lines at most; the next one goes on from there.
_MOST = 200_000
# So many looks are drawn.
_DRAWN = 100
_LEVEL = "evidence of "


@named
def watch_journal(
    journal: Journal | str | Path,
    bundle: BundleFolder | str | Path,
    *,
    settings: WatchSettings | str | Path | None = None,
    history: str | Path | None = None,
) -> WatchReport:
    """Look at what a model answered since the last run, and tell people what they should look at.

    Drift and quality are judged as by `detect_drift`, with the same promise about false alarms, in
    windows of so many predictions, whatever the clock says. Latency and errors are counted.

    Args:
        journal: The journal, or its file.
        bundle: The model whose predictions are looked at, or its folder.
        settings: What is asked and whom to tell, or a TOML file of it; by default drift and
            quality, and nobody.
        history: The file that remembers the looks; by default one beside the journal, for each
            version of a model its own.

    Returns:
        What was found; print it, or write `page()` to a file.

    Raises:
        DataError: If the model has no profile, or a file cannot be used.
        IntegrityError: If a file of the bundle was changed.
    """
    asked = settings if isinstance(settings, WatchSettings) else _read(settings)
    model = BundleFolder.load(bundle)
    if PROFILE_FILE not in model.manifest.sha256:
        raise DataError(
            f"The bundle '{printable(model.folder)}' holds no profile to compare with; an older "
            "version wrote it. Train again, and save it."
        )
    profile = ReferenceProfile.read(model.folder / PROFILE_FILE, model.read(PROFILE_FILE))
    if not isinstance(journal, Journal):
        if not Path(journal).exists():
            raise DataError(f"There is no journal '{printable(journal)}'. Name its file.")
        with Journal(journal) as opened:
            return _Run(opened, model, profile, asked, history).report()
    return _Run(journal, model, profile, asked, history).report()


def _read(settings: str | Path | None) -> WatchSettings:
    return WatchSettings() if settings is None else WatchSettings.read(settings)


class _Run:
    """One run over one model's lines."""

    def __init__(
        self,
        journal: Journal,
        model: BundleFolder,
        profile: ReferenceProfile,
        settings: WatchSettings,
        history: str | Path | None,
    ):
        self._journal, self._model, self._profile = journal, model, profile
        self._settings, self._digest = settings, model.sha256
        beside = journal.path.with_suffix(f".watch-{self._digest[:12]}.db")
        self._path = beside if history is None else Path(history)
        self._state = WatchState(self._path)
        self._noun = model.modality.noun[1]

    def report(self) -> WatchReport:
        """Look at everything, tell of it, and remember how far that was."""
        numbers = self._state.numbers()
        self._check_same_journal(numbers)
        drift, looked = self._drift(int(numbers.get(LOOKED, 0)))
        quality, truth = self._quality(int(numbers.get(TRUTH, 0)))
        row = int(numbers.get(ROW, 0))
        lines = self._lines(row)
        levels = {name.removeprefix(_LEVEL): value for name, value in numbers.items()}
        budgets = look_at_budgets(lines, self._settings, levels)
        alarms = (
            *self._standing(False, DRIFT),
            *self._standing(True, QUALITY),
            *(self._alarm(one.cause, one.said) for one in budgets if one.alarm),
        )
        found = WatchReport(
            model=f"{printable(self._model.folder.parent.name)} {self._model.folder.name}",
            facts=Facts.of(lines),
            drift=drift,
            quality=quality,
            budgets=budgets,
            counts=self._journal.counts(),
            looks=tuple(self._past(False).looks()[-_DRAWN:]),
            alarms=alarms,
        )
        problems = tell_of(alarms, found.model, self._settings, self._state, time.time())
        evidence = {_LEVEL + one.cause: one.level for one in budgets}
        last = lines[-1].row if lines else row
        self._state.remember({**evidence, ROW: last, LOOKED: looked, TRUTH: truth})
        return replace(found, problems=problems)

    def _check_same_journal(self, numbers: dict[str, float]) -> None:
        last = self._journal.last_row
        if last < numbers.get(ROW, 0):
            raise DataError(
                f"'{printable(self._journal.path)}' ends at line {last}, and '"
                f"{printable(self._path)}' has looked at line {numbers[ROW]:.0f}: it is another "
                "journal. Name that one, or remove the history to begin anew."
            )

    def _lines(self, after: int, labelled_after: int | None = None) -> list[Logged]:
        return list(islice(self._journal.lines(after, self._digest, labelled_after), _MOST))

    def _past(self, labelled: bool) -> DriftHistory:
        return DriftHistory(self._path, self._profile.digest(), labelled)

    def _alarm(self, cause: str, told: str) -> Alarm:
        return Alarm(cause, told, self._settings.runbook.replace("{cause}", cause))

    def _standing(self, labelled: bool, cause: str) -> list[Alarm]:
        """Return the alarm of a look, however long ago: it stays, as that of `detect_drift`."""
        promise = self._settings.looks_per_false_alarm
        looks = [one for one in self._past(labelled).looks() if one.level >= promise]
        if not looks:
            return []
        first, last = looks[0], looks[-1]
        told = f"since look {first.number} ({first.at}), most of all in {last.moved}"
        return [self._alarm(cause, told)]

    def _drift(self, after: int) -> tuple[DriftReport, int]:
        """Look at one whole window after the other; return the last report, and how far it was."""
        output = self._profile.facts.output
        lines = [line for line in self._lines(after) if has_answer(line, output)]
        windows, rest = _windows(lines, self._settings.window)
        waits = [f"The next look takes {self._settings.window}."]
        found = self._look(rest, None, waits, whole=False)
        for window in windows:
            found = self._look(window, None)
        return found, windows[-1][-1].row if windows else after

    def _quality(self, after: int) -> tuple[DriftReport, int]:
        """Do the same with what people have labelled, in the order of the labels."""
        output = self._profile.facts.output
        lines = [line for line in self._lines(0, after) if has_answer(line, output)]
        windows, rest = _windows(lines, self._settings.labelled_window)
        waits = [f"The next look takes {self._settings.labelled_window} with labels."]
        found = self._look(rest, np.zeros(len(rest)), waits, whole=False)
        for window in windows:
            targets, usable = targets_of(window, output)
            kept = [line for line, good in zip(window, usable, strict=True) if good]
            left = len(window) - len(kept)
            notes = [f"{left} labels are none that the model can answer."] if left else []
            found = self._look(kept, targets[usable], notes)
        return found, windows[-1][-1].truth_row if windows else after

    def _look(
        self,
        lines: list[Logged],
        targets: np.ndarray | None,
        notes: Sequence[str] = (),
        whole: bool = True,
    ) -> DriftReport:
        """Look at a window; at one that is not whole yet only to say so."""
        past = self._past(targets is not None)
        seen = observed(lines if whole else [], self._profile)
        if targets is not None:
            seen = replace(seen, targets=np.asarray(targets[: len(seen)], np.float32))
        promise = self._settings.looks_per_false_alarm
        window = LoggedWindow(lines, notes)
        return look_at(self._profile, seen, window, past, self._noun, promise=promise)


def _windows(lines: list[Logged], size: int) -> tuple[list[list[Logged]], list[Logged]]:
    whole = len(lines) // size * size
    return [lines[start : start + size] for start in range(0, whole, size)], lines[whole:]
