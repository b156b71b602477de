"""The versions that a server has loaded, and those that it should have by their aliases."""

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import numpy as np

from kerasrecipes.bundles.aliases import read_aliases
from kerasrecipes.bundles.bundle import BundleFolder
from kerasrecipes.bundles.versions import versions
from kerasrecipes.console import say, warn
from kerasrecipes.errors import (
    DataError,
    IntegrityError,
    KerasRecipesError,
    VerificationError,
    did_you_mean,
    first_line,
    listed,
    printable,
)
from kerasrecipes.heads import get_task
from kerasrecipes.serve.predictor import Predictor, chosen_export
from kerasrecipes.serve.sources import in_order
from kerasrecipes.server.refused import Refused
from kerasrecipes.signing import check_signature

CHAMPION = "champion"
# What may stand in an address without being written otherwise.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_UNUSABLE = (KerasRecipesError, OSError, ValueError)


@dataclass(frozen=True, eq=False)
class Served:
    """One version of a model that answers. It goes when nobody holds it any more.

    Args:
        name: The model's name.
        version: Its number.
        predictor: The opened file.
        digest: SHA-256 of its `bundle.json`.
        ready_ms: Milliseconds from opening the folder until its golden vectors were answered.
        golden: How many of these there are.
        told: The first fault that kept it from an answer of which no caller is told.
    """

    name: str
    version: int
    predictor: Predictor
    digest: str
    ready_ms: float
    golden: int
    told: list[str] = field(default_factory=list)

    def tell_once(self, error: Exception) -> None:
        """Say, the first time, what kept it from an answer where no caller is told.

        Args:
            error: What was raised.
        """
        if not self.told:
            self.told.append(f"{type(error).__name__}: {first_line(error)}")
            warn(f"'{printable(self.name)}' {self.version} could not answer: {self.told[0]}")

    @classmethod
    def load(
        cls, folder: Path, trust: Path | None, workers: int, opened: Callable[[], None]
    ) -> "Served":
        """Open a version, and ask it about its golden vectors.

        Args:
            folder: The version's folder.
            trust: A file of whose signatures count, if one must be there.
            workers: Number of threads that ask.
            opened: Called before it is asked.

        Raises:
            DataError: If it has no verified export.
            IntegrityError: If a file was changed, or it is not signed by one of them.
            VerificationError: If its golden vectors are not answered as they were.
        """
        started = time.perf_counter()
        if trust is not None:
            check_signature(folder, trust)
        bundle = BundleFolder.load(folder)
        predictor = Predictor(bundle, threads=1)
        opened()
        golden = _check_golden(bundle, predictor, workers)
        took = (time.perf_counter() - started) * 1e3
        name, version = folder.parent.name, int(folder.name)
        return cls(name, version, predictor, bundle.sha256, took, golden)


@dataclass
class _Model:
    """What is loaded of one model.

    Args:
        default: The version that answers where none is asked for.
        loaded: By number.
        aliases: What the aliases mean.
        failed: Versions that could not be loaded, and why.
    """

    default: int = 0
    loaded: dict[int, Served] = field(default_factory=dict)
    aliases: dict[str, int] = field(default_factory=dict)
    failed: dict[int, str] = field(default_factory=dict)


class Models:
    """All models of a folder, or one; what their aliases mean is looked up again by `refresh`.

    Where a model has a `champion`, that answers, and what other aliases mean is loaded, too;
    without aliases, the latest version is. A new version is loaded, and has answered its golden
    vectors, before it takes the place of the old one; one that fails leaves the old one there.

    Args:
        folder: `saved_models/`, or one model's folder in it.
        trust: A file of whose signatures count; without it, none is needed.

    `opened` is set once a model is open, or none can be; what takes time after that is computing.

    Raises:
        DataError: If there is no model in it.
    """

    def __init__(self, folder: Path, trust: Path | None = None):
        self.opened = threading.Event()
        self._trust = trust
        alone = bool(versions(folder))
        self._root = folder.parent if alone else folder
        self._only = folder.name if alone else None
        self._models: dict[str, _Model] = {}
        self._unloaded: set[str] = set()
        self._lock = threading.Lock()
        self._odd: set[str] = set()
        if not self._names():
            raise DataError(
                f"There is no saved model in '{printable(folder)}'. Name a folder such as "
                "saved_models/, which holds models, each with versions 1, 2, …"
            )

    def _names(self) -> list[str]:
        if self._only is not None:
            return [self._only]
        found = [one.name for one in sorted(self._root.iterdir()) if versions(one)]
        odd = {name for name in found if not _NAME.fullmatch(name)}
        if new := odd - self._odd:
            self._odd |= new
            warn(f"Not served, since their names cannot be asked for: {listed(sorted(new))}.")
        return [name for name in found if _NAME.fullmatch(name)]

    def refresh(self, again: bool = False, workers: int = 1) -> None:
        """Load what should be loaded, then let go what should not.

        Args:
            again: Whether to try again what has failed before.
            workers: Number of threads that load; more than one while nobody waits for answers.
        """
        try:
            with self._lock:
                for name in sorted({*self._names(), *self._models} - self._unloaded):
                    self._refresh_one(name, again, workers)
        finally:
            self.opened.set()

    def _refresh_one(self, name: str, again: bool, workers: int = 1) -> None:
        now = self._models.get(name, _Model())
        if again:
            now.failed.clear()
        try:
            default, wanted, aliases = _wanted(self._root / name)
        except _UNUSABLE as error:
            if now.failed.get(0) != (told := first_line(error)):
                now.failed[0] = told
                warn(f"'{printable(name)}' stays as it is: {told}")
            self._models[name] = now
            return
        now.failed.pop(0, None)
        loaded = {version: now.loaded[version] for version in wanted & now.loaded.keys()}
        for version in sorted(wanted - loaded.keys() - now.failed.keys()):
            try:
                path = self._root / name / str(version)
                loaded[version] = found = Served.load(path, self._trust, workers, self.opened.set)
            except _UNUSABLE as error:
                now.failed[version] = first_line(error)
                warn(f"'{printable(name)}' {version} is not served: {first_line(error)}")
            else:
                say(f"'{printable(name)}' {version} is ready after {found.ready_ms:.0f} ms.")
        if default not in loaded and now.default in now.loaded:
            default = now.default
            loaded[default] = now.loaded[default]
        # One assignment, so that a request sees the old versions or the new ones.
        self._models[name] = _Model(default, loaded, aliases, now.failed)

    @property
    def ready(self) -> bool:
        """Whether each model that should answer does."""
        return bool(self._models) and all(one.default in one.loaded for one in self._each())

    def _each(self) -> list[_Model]:
        return [one for name, one in self._models.items() if name not in self._unloaded]

    def find(self, name: str | None, version: str | None = None) -> Served:
        """Return what is to answer a request.

        Args:
            name: The model; `None` for the only one.
            version: Its number or an alias; `None` for the default.

        Raises:
            Refused: If it is not loaded.
        """
        known = [one for one in self._models if one not in self._unloaded]
        if name is None:
            if len(known) != 1:
                raise Refused(
                    HTTPStatus.BAD_REQUEST,
                    f"This server has {len(known)} models: say which, e.g. ?model="
                    f"{next(iter(known), 'tiles')}. It has {listed(known)}.",
                )
            name = known[0]
        if name not in known:
            reason = f"There is no model {name[:100]!r}.{did_you_mean(name[:100], known)}"
            raise Refused(HTTPStatus.NOT_FOUND, f"{reason} This server has {listed(known)}.")
        model = self._models[name]
        number = model.default if version is None else model.aliases.get(version)
        if number is None and version and version.isdigit() and len(version) < 9:
            number = int(version)
        if number not in model.loaded:
            loaded = listed(sorted(model.loaded))
            if version is None:
                reason = f"No version of {name!r} is loaded."
                raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, reason, {"Retry-After": "1"})
            reason = f"{name!r} has no version {version[:40]!r} loaded; it has {loaded}."
            raise Refused(HTTPStatus.NOT_FOUND, reason)
        return model.loaded[number]

    def loaded(self) -> dict[str, tuple[Path, dict[int, Served], dict[int, str]]]:
        """Return by model its folder, the versions that are loaded, and why others are not."""
        return {
            name: (self._root / name, model.loaded, model.failed)
            for name, model in list(self._models.items())
            if name not in self._unloaded
        }

    def load(self, name: str) -> None:
        """Load a model, or what it lacks.

        Raises:
            Refused: If there is none of that name, or it cannot be loaded.
        """
        if name not in self._names():
            raise Refused(HTTPStatus.NOT_FOUND, f"There is no model {name[:100]!r} to load.")
        with self._lock:
            self._unloaded.discard(name)
            self._refresh_one(name, again=True)
        if failed := self._models[name].failed:
            raise Refused(HTTPStatus.BAD_REQUEST, next(iter(failed.values())))

    def unload(self, name: str) -> None:
        """Let a model go, once the requests that it answers now have their answers.

        Raises:
            Refused: If it is not loaded.
        """
        self.find(name)
        with self._lock:
            self._unloaded.add(name)
            self._models.pop(name)

    def index(self) -> list[dict[str, str]]:
        """Return what there is, as the protocol's repository extension does."""
        found = []
        for name in sorted({*self._names(), *self._models}):
            model = self._models.get(name, _Model())
            states = {version: ("READY", "") for version in model.loaded}
            states |= {version: ("UNAVAILABLE", why) for version, why in model.failed.items()}
            if not states:
                states = {0: ("UNAVAILABLE", "unloaded" if name in self._unloaded else "")}
            for version, (state, reason) in sorted(states.items()):
                told = {"version": str(version)} if version else {}
                found.append({"name": name, **told, "state": state, "reason": reason})
        return found

    def state(self) -> list[dict[str, object]]:
        """Return what is loaded, for people."""
        return [
            {
                "name": name,
                "version": version,
                "default": version == model.default,
                "aliases": sorted(a for a, meant in model.aliases.items() if meant == version),
                "export": served.predictor.export,
                "task": served.predictor.output.task,
                "ready_ms": round(served.ready_ms),
                "golden": served.golden,
                "digest": served.digest,
            }
            for name, model in sorted(self._models.items())
            for version, served in sorted(model.loaded.items())
        ]

    def problems(self) -> list[str]:
        """Return what could not be loaded, and why."""
        return [
            f"{name} {version or ''}: {why}".replace(" :", ":")
            for name, model in sorted(self._models.items())
            for version, why in sorted(model.failed.items())
        ]


def _wanted(folder: Path) -> tuple[int, set[int], dict[str, int]]:
    """Return which version of a model answers, which are loaded, and what its aliases mean."""
    aliases, known = read_aliases(folder).aliases, versions(folder)
    if not known:
        raise DataError(f"'{printable(folder)}' holds no version any more.")
    default = aliases.get(CHAMPION, max(known))
    return default, {default, *aliases.values()}, aliases


def _check_golden(bundle: BundleFolder, predictor: Predictor, workers: int) -> int:
    """Ask a file about its golden vectors, and return how many there are.

    Raises:
        VerificationError: If they are answered otherwise than its verification allows.
        IntegrityError: If the record of that is none.
    """
    from kerasrecipes.verify.verification import Verification

    record, output, golden = chosen_export(bundle), bundle.output, bundle.golden()
    try:
        tolerance = Verification.from_dict(record.verification).tolerance
    except DataError as error:
        raise IntegrityError(f"The verification of '{record.name}' is none: {error}") from error

    def answer(one: tuple[bytes, str]) -> np.ndarray:
        return predictor.model(bundle.decode(*one)[None])[output.name][0]

    each = in_order(answer, zip(golden.files, golden.names, strict=True), workers)
    answers = np.array([*each], np.float32).reshape(-1, output.width)
    expected = record.decision.apply(golden.answers, bundle.class_names)
    alike = get_task(output.task).agree(expected, answers, output)
    share = float(np.mean(alike)) if len(alike) else 0.0
    if not len(alike) or not tolerance.allows_flips(share, len(alike)):
        raise VerificationError(
            f"'{record.name}' of '{printable(bundle.folder)}' answers {share:.1%} of its "
            f"{len(alike)} golden {bundle.modality.noun[1]} as it should; at least "
            f"{tolerance.min_agreement:.1%} are needed. Run: kerasrecipes verify "
            f"{printable(bundle.folder)}"
        )
    return len(alike)
