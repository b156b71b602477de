"""A folder that explains one training run, and from which it can go on."""

import importlib.metadata
import json
import os
import platform
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from os.path import lexists
from pathlib import Path
from typing import Any, TypeVar

from kerasrecipes.arguments import named
from kerasrecipes.console import kept_in, say
from kerasrecipes.environment import library_versions, timestamp
from kerasrecipes.errors import DataError, listed, printable
from kerasrecipes.files import complete_file, locked_folder, told_plainly
from kerasrecipes.records import checked, parse_json
from kerasrecipes.regular import append_whole, read_regular
from kerasrecipes.report.plain_values import plain
from kerasrecipes.report.run_page import RunPage
from kerasrecipes.report.run_report import RunReport
from kerasrecipes.report.section import Section

T = TypeVar("T")
CONFIG, RECIPE, CONSOLE = "config.json", "recipe.toml", "console.log"
CHECKPOINT, METRICS, REPORT = "checkpoint", "metrics.jsonl", "report.json"
STARTS = "environment.json"
ENVIRONMENT = ("CUDA_", "KERAS_", "OMP_", "TF_")


@named
@dataclass
class RunFolder:
    """One run: what it is, what it said and measured, and where it stands.

    It holds `config.json` (what was run; `ImageClassifier.from_config(config["recipe"])`
    makes the recipe again), `recipe.toml` (the same for people, and for `kerasrecipes train
    --config`), `environment.json` (one entry for each start), `console.log`,
    `metrics.jsonl` (a line per epoch; `metrics.csv` is the same as a table), `index.html` (curves,
    settings and validation, to look at while it trains), `learning-rate-1.png` (where the first
    stage searched its rate), `checkpoint/` and, at the end, `report.json` and `curves.png`.

    Args:
        path: The folder, for this run alone; made if it does not exist.
        photos: How the photos were chosen and split, as plain values for `config.json`.
        resume: Whether to go on with the run that is there; `fit` sets it.

    Example:
        >>> RunFolder("runs/tiles").resume
        False
    """

    path: Path
    photos: dict = field(default_factory=dict)
    resume: bool = False

    def __post_init__(self) -> None:
        self.path = Path(self.path)
        self.page: RunPage | None = None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out, and keep what is said, while the block runs.

        The lock ends with the process.

        Raises:
            DataError: If another run is in there, or one has been and `resume` is not set, or
                there is none to resume.
            OSError: If nothing can be written there.
        """
        if self.resume:
            self._check_there()
        with locked_folder(self.path):
            if not self.resume:
                self._check_empty()
            gone = [name for name in (CONSOLE, STARTS) if not lexists(self.path / name)]
            log, start = self.path / CONSOLE, "Resumed" if self.resume else "Begun"
            begun = f"{start} {timestamp()}, process {os.getpid()}\n"
            with told_plainly(self.path):
                append_whole(log.name, begun, inside=self.path)
            with kept_in(log):
                if self.resume and gone:
                    say(f"The run lacks {listed(gone)}, which now begins with this start.")
                try:
                    yield
                except BaseException as error:
                    if self.page is not None and self.page.written:
                        self._show(f"ended by {type(error).__name__}, see {CONSOLE}")
                    raise

    def _check_there(self) -> None:
        if lexists(self.path / CONFIG):
            self._check_own()
            return
        if left := self._traces():
            raise DataError(
                f"The run in '{printable(self.path)}' lacks '{CONFIG}', which says what it is; "
                f"there is {listed(left)}. Restore it from a copy, or begin again in another "
                "folder."
            )
        raise DataError(
            f"There is no run in '{printable(self.path)}' to resume. Name its folder, or leave "
            "`resume` out to begin one."
        )

    def _check_own(self) -> None:
        states = self.path / CHECKPOINT
        for folder in (states, *states.glob("*")):
            if folder.is_symlink():
                raise DataError(
                    f"'{printable(folder)}' is a link, and states are read and written inside "
                    "the run alone. Put what it leads to in its place."
                )

    def _check_empty(self) -> None:
        if lexists(self.path / CONFIG):
            raise DataError(
                f"'{printable(self.path)}' holds a run already. Pass `resume=True` to go "
                "on with it, or name another folder."
            )
        if left := self._traces():
            raise DataError(
                f"'{printable(self.path)}' holds what is left of a run: {listed(left)}. Name "
                "another folder, so that the two are not mixed."
            )

    def _traces(self) -> list[str]:
        return [name for name in (CHECKPOINT, METRICS, REPORT) if lexists(self.path / name)]

    def describe(self, config: dict) -> None:
        """Write what is run into `config.json`; when resuming, compare it with what is there.

        Args:
            config: Nested plain values.

        Raises:
            DataError: If it is not what the run began with; the message names what differs.
        """
        config = plain({**config, "photos": self.photos, "versions": library_versions()})
        if self.resume:
            self._compare(config)
            if lexists(self.path / METRICS):
                self._content(METRICS)  # or a link would lead the log out of the folder
        else:
            self._write_json(CONFIG, config)
        self._write_environment()
        groups = ("recipe", "photos", "weights", "versions")
        told = {name.capitalize(): config[name] for name in groups if config.get(name)}
        self.page = RunPage(self.path, METRICS, told)
        if not self.resume:  # one that cannot go on leaves the page as it was
            self.page.write()

    def finish(self, report: RunReport) -> None:
        """Write the report and the learning curves.

        Args:
            report: The facts of the fit.
        """
        from kerasrecipes.report.plots.classification import plot_learning_curves, png

        self._write(REPORT, report.to_json().encode())
        self._write("curves.png", png(plot_learning_curves(report)))
        if self.page is not None:
            for split, found in report.evaluations.items():
                title = f"The finished model on the split '{split}'"
                self.page.sections[f"finished {split}"] = Section(title, (found,))
        self._show("interrupted" if report.interrupted else "finished")

    def _show(self, state: str) -> None:
        # A run is not lost because its page cannot be written.
        if self.page is not None:
            with suppress(OSError):
                self.page.write(state)

    def _compare(self, config: dict) -> None:
        before = self._read(CONFIG, dict[str, Any])
        # The same photos may have moved.
        for one in (before, config):
            if isinstance(one.get("photos"), dict):
                one["photos"].pop("source", None)
        differing = list(_differences(before, config))
        if differing:
            raise DataError(
                f"The run in '{printable(self.path)}' began with something else: "
                f"{_some(differing)}. Resume it with what it began with, or begin another in "
                "another folder."
            )

    def _write_environment(self) -> None:
        before = self._read(STARTS, list[Any]) if lexists(self.path / STARTS) else []
        self._write_json(STARTS, [*before, _environment()])

    def _read(self, name: str, kind: type[T]) -> T:
        content = self._content(name)
        try:
            return checked(kind, parse_json(content))
        except ValueError as error:
            raise self._damaged(name, error) from error

    def _content(self, name: str) -> bytes:
        try:
            return read_regular(name, inside=self.path)
        except OSError as error:
            raise self._damaged(name, error) from error

    def _damaged(self, name: str, error: Exception) -> DataError:
        reason = getattr(error, "strerror", "") or error
        return DataError(
            f"'{printable(self.path / name)}' is damaged: {reason}. Restore it from a copy, or "
            "begin again in another folder."
        )

    def keep_recipe(self, text: str) -> None:
        """Write `recipe.toml`; when resuming, compare what it says with what is there.

        Args:
            text: TOML; what is no valid text is escaped.

        Raises:
            DataError: If the file says something else; the message names what.
        """
        if self.resume and lexists(self.path / RECIPE):
            self._compare_recipe(text)
            return
        if self.resume:
            say(f"The run lacks '{RECIPE}', which is written anew.")
        self._write(RECIPE, text.encode("utf-8", "backslashreplace"))

    def _compare_recipe(self, text: str) -> None:
        try:
            there = tomllib.loads(self._content(RECIPE).decode())
        except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
            raise self._damaged(RECIPE, error) from error
        if differing := list(_differences(tomllib.loads(text), there)):
            raise DataError(
                f"'{printable(self.path / RECIPE)}' was changed since the run began: "
                f"{_some(differing)}. A run goes on with what it began with. To train with what "
                "the file says now, begin another run in another folder with `--config`; to go "
                "on, remove the file."
            )

    def _write_json(self, name: str, value: object) -> None:
        self._write(name, (json.dumps(value, indent=2, allow_nan=False) + "\n").encode())

    def _write(self, name: str, content: bytes) -> None:
        with told_plainly(self.path), complete_file(self.path / name) as file:
            file.write(content)


def as_run_folder(folder: str | Path | RunFolder | None, resume: bool) -> RunFolder | None:
    """Make a run folder of a path.

    Args:
        folder: The folder, or `None`.
        resume: Whether to go on with the run that is there.

    Raises:
        ValueError: If there is no folder to resume from.
    """
    if folder is None:
        if resume:
            raise ValueError("`resume=True` has no effect without `run_folder`. Name the run.")
        return None
    run = folder if isinstance(folder, RunFolder) else RunFolder(Path(folder))
    return replace(run, resume=resume)


def _environment() -> dict:
    packages = {one.name: one.version for one in importlib.metadata.distributions()}
    return {
        "started": timestamp(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "python": sys.version,
        "variables": {k: v for k, v in sorted(os.environ.items()) if k.startswith(ENVIRONMENT)},
        "packages": dict(sorted(packages.items())),
    }


def _some(differing: list[str]) -> str:
    more = f"; and {len(differing) - 5} more" if len(differing) > 5 else ""
    return "; ".join(differing[:5]) + more


def _differences(before: object, now: object, where: str = "") -> Iterator[str]:
    """Yield one sentence for every plain value that is not the same."""
    if isinstance(before, dict) and isinstance(now, dict):
        for name in {**before, **now}:
            yield from _differences(before.get(name), now.get(name), f"{where}.{name}")
    elif before != now:
        yield f"{where.lstrip('.')} was {before!r:.80} and is {now!r:.80}"
