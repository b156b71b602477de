"""How far a run has come: the stages that are done, and the epochs of the one that runs."""

import json
import re
import shutil
import time
from dataclasses import dataclass, field
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasrecipes.console import say
from kerasrecipes.data.examples import CLASS
from kerasrecipes.data.inference import predict_scores
from kerasrecipes.engine.run_folder import CHECKPOINT, CONSOLE, METRICS, REPORT
from kerasrecipes.engine.schedule import Stage
from kerasrecipes.engine.stage_state import put_state, take_state
from kerasrecipes.errors import DataError, IntegrityError, listed, printable
from kerasrecipes.records import parse_json
from kerasrecipes.report.run_page import RunPage
from kerasrecipes.report.run_report import StageReport
from kerasrecipes.report.validation_section import validation_section

if TYPE_CHECKING:
    import keras

    from kerasrecipes.callbacks.metrics_log import MetricsLog
    from kerasrecipes.callbacks.state.state_folder import StateFolder
    from kerasrecipes.engine.stage import StageRunner

# What `Progress` says of an epoch.
_EPOCH_SAID = re.compile(r"^  .*\d+/\d+  .*\bloss .* s$", re.MULTILINE)


@dataclass
class Stopwatch:
    """Seconds of work, counted on after a break."""

    before: float = 0.0
    started: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Seconds so far."""
        return self.before + time.monotonic() - self.started

    def get_state(self) -> dict:
        """Return the seconds so far."""
        return {"seconds": self.seconds}

    def set_state(self, state: dict) -> None:
        """Count on from there; what it took to get there again counts, too.

        Args:
            state: What `get_state` returned.
        """
        self.before = state["seconds"]


@dataclass
class RunRecord:
    """Keeps a run on the disk, stage by stage and epoch by epoch.

    Before each stage, and after the last, one state holds the whole model, the optimizers,
    the random generators and the reports so far. Within a stage, an `ExactCheckpoint` holds
    what this stage changes.

    Args:
        folder: The run's folder.
        stages: The reports of the stages that are done; the runner adds to them.
        page: What shows it to people.
    """

    folder: Path
    stages: list[StageReport] = field(default_factory=list)
    page: RunPage | None = None
    _saved: int | None = None
    _logged: dict = field(default_factory=dict)
    # What the log said when the run was resumed.
    _lines: list[str] = field(default_factory=list)

    def restore(self, runner: "StageRunner") -> bool:
        """Put the last stage's beginning into a runner, and the reports into `stages`.

        Args:
            runner: A `StageRunner` that is new.

        Returns:
            Whether there was one.

        Raises:
            IntegrityError: If all states are damaged, or gone.
            DataError: If a state does not fit the model.
        """
        files, log = self._files, self._log()
        self._lines = log.lines()
        found = files.read()
        if found is None:
            self._check_untrained()
            say("Nothing was trained yet: the run begins at its beginning.")
            return False
        try:
            put_state(runner, found)
        except ValueError as error:
            raise DataError(f"'{files.path}' is of another model: {error}.") from error
        self.stages[:] = [StageReport.from_dict(stage) for stage in found["stages"]]
        log.set_state(found["log"])
        self._logged = found["log"]
        self._tell_log(log.lines())
        self._tell_foreign(self._lines[len(log.lines()) :])
        self._saved = len(self.stages)
        return True

    def _tell_log(self, kept: list[str], first: int = 0) -> None:
        """Say where the log is not as this run wrote it, which is written anew.

        Args:
            kept: What it says by the checkpoint.
            first: The first line to compare.
        """
        altered = [
            first + number
            for number, pair in enumerate(zip(self._lines[first:], kept[first:], strict=False), 1)
            if pair[0] != pair[1]
        ]
        if altered:
            say(
                f"'{METRICS}' is not as the run wrote it in {len(altered)} of its lines, line "
                f"{altered[0]} first: they are written anew from the checkpoint."
            )
        lacking = len(kept) - max(first, len(self._lines))
        if lacking > 0:
            say(f"'{METRICS}' lacks {lacking} epochs, which are added from the checkpoint.")

    def _tell_foreign(self, later: list[str]) -> None:
        """Say which lines after those of the stages that are done are of no stage to come."""
        done = {stage.name for stage in self.stages}
        foreign = sum(1 for line in later if _stage_of(line) in {None, *done})
        if foreign:
            say(
                f"'{METRICS}' has {foreign} lines at its end that this run did not write: they "
                "are removed."
            )

    def _check_untrained(self) -> None:
        """Refuse to begin anew where states are gone, which would be said of an empty run."""
        console = self.folder / CONSOLE
        said = console.read_text(encoding="utf-8", errors="replace") if console.is_file() else ""
        states = (self.folder / CHECKPOINT).glob("epochs-*/state-*.npz")
        traces = [
            *([METRICS] if self._lines else []),
            *([CONSOLE] if _EPOCH_SAID.search(said) else []),
            *([REPORT] if (self.folder / REPORT).exists() else []),
            *sorted(path.relative_to(self.folder).as_posix() for path in states),
        ]
        if traces:
            raise IntegrityError(
                f"'{printable(self._files.folder)}' holds no state to go on from, and yet there "
                f"are epochs in {listed(traces)}: states were removed. Restore '{CHECKPOINT}' from "
                "a copy, or begin again in another folder."
            )

    def save(self, runner: "StageRunner") -> None:
        """Write the state between two stages, unless the run was just resumed there.

        Args:
            runner: The `StageRunner`.

        Raises:
            OSError: If it cannot be written; the state before is as it was.
        """
        if self._saved == len(self.stages):
            return
        if self._saved is None:
            self._tell_forgetful(runner.callbacks)
        self._logged = self._log().get_state()
        self._files.write(
            {
                **take_state(runner),
                "log": self._logged,
                "stages": [stage.to_dict() for stage in self.stages],
            }
        )
        self._saved = len(self.stages)
        # Those of the stage before stay, should this state be damaged.
        shutil.rmtree(self._epochs(self._saved - 2), ignore_errors=True)

    def begin_again(self, runner: "StageRunner") -> None:
        """Forget the epochs of the stage that runs, which begins again as `runner` now stands.

        Args:
            runner: The `StageRunner`.

        Raises:
            OSError: If its state cannot be written.
        """
        shutil.rmtree(self._epochs(len(self.stages)), ignore_errors=True)
        self._lines = []
        self._log().set_state(self._logged)
        self._saved = -1
        self.save(runner)

    def resume_stage(
        self, trained: "keras.Model", stage: Stage, callbacks: list, watch: Stopwatch
    ) -> tuple[list[Any], int, int]:
        """Add what writes to a stage's callbacks, and go to where the stage stood.

        Args:
            trained: The compiled model of the stage.
            stage: The stage.
            callbacks: Its callbacks.
            watch: Counts its seconds.

        Returns:
            All callbacks, the number of epochs that are done, and the number to train up to.

        Raises:
            IntegrityError: If all checkpoints of the stage are damaged.
            DataError: If they are not of this stage.
        """
        from kerasrecipes.callbacks.exact_checkpoint import ExactCheckpoint, has_state

        self._tell_forgetful(tuple(stage.callbacks))
        log = self._log(stage=stage.name)
        callbacks = [*callbacks, log]
        checkpoint = ExactCheckpoint(
            self._epochs(len(self.stages)),
            every=None,
            stateful=[*filter(has_state, callbacks), watch],
        )
        now = checkpoint.restore(trained)
        if now.epoch:
            say(f"  Going on after epoch {now.epoch} of stage '{stage.name}'.")
            kept = checkpoint.restored_state(log)["text"].splitlines()
            self._tell_log(kept, len(self._logged["text"].splitlines()))
        if (lost := self._epochs_logged(stage) - now.epoch) > 0:
            say(
                f"  The log has {lost} more epochs of stage '{stage.name}', whose state is not in "
                f"'{CHECKPOINT}': they are trained again."
            )
        last = now.epoch if now.stopped else stage.epochs
        return [*callbacks, *self._shown(), checkpoint], now.epoch, last

    def show_validation(self, runner: "StageRunner", stage: str, head: object) -> None:
        """Add to the page what the model says of validation examples after a stage.

        It is a pass over them. Only classes are shown, and by one device.

        Args:
            runner: The `StageRunner`.
            stage: Name of the stage.
            head: Name of the recipe's head.

        Raises:
            OSError: If the page cannot be written.
        """
        val = runner.val.examples
        by_class = val.target == CLASS and head == "classification"
        if self.page is not None and by_class and len(val) and runner.devices.count == 1:
            answers = predict_scores(runner.model, val)
            self.page.sections["validation"] = validation_section(val, answers, stage)
            self.page.write()

    def _shown(self) -> "list[keras.callbacks.Callback]":
        """Return what writes the page after each epoch: of the log, so that it has no state."""
        if self.page is None:
            return []
        import keras

        page = self.page
        return [keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: page.write())]

    def _epochs_logged(self, stage: Stage) -> int:
        """Count the epochs of a stage in the log of the run that is resumed."""
        begin = json.dumps({"stage": stage.name})[:-1]
        later = self._lines[len(self._logged["text"].splitlines()) :]
        return sum(1 for _ in takewhile(lambda line: line.startswith(begin), later))

    def _tell_forgetful(self, callbacks: tuple) -> None:
        from kerasrecipes.callbacks.exact_checkpoint import has_state

        forgetful = [type(one).__name__ for one in callbacks if not has_state(one)]
        if forgetful:
            say(
                f"Note: {listed(forgetful)} cannot be resumed, having no `get_state` and "
                "`set_state`: after a break, what it remembers begins anew."
            )

    @cached_property
    def _files(self) -> "StateFolder":
        from kerasrecipes.callbacks.state.state_folder import StateFolder

        return StateFolder(self.folder / CHECKPOINT / "stages")

    def _epochs(self, position: int) -> Path:
        return self.folder / CHECKPOINT / f"epochs-{position + 1}"

    def _log(self, **labels: str) -> "MetricsLog":
        from kerasrecipes.callbacks.metrics_log import MetricsLog

        return MetricsLog(self.folder / METRICS, **labels)


def _stage_of(line: str) -> str | None:
    """Return the stage whose epoch a line of the log tells of; `None` if it tells of none."""
    try:
        found = parse_json(line)
    except ValueError:
        return None
    stage = found.get("stage") if isinstance(found, dict) and "epoch" in found else None
    return stage if isinstance(stage, str) else None
