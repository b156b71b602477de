"""Whether a version passes the gates: the exported file is asked, without tensorflow."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kerasrecipes.bundles.aliases import GateResult
from kerasrecipes.bundles.export_record import ExportRecord
from kerasrecipes.data.examples import CLASS, Examples
from kerasrecipes.data.specs import OutputSpec
from kerasrecipes.drift.profile import PROFILE_FILE
from kerasrecipes.errors import DataError, IntegrityError, listed, printable
from kerasrecipes.evaluation.scores import group_numbers
from kerasrecipes.heads import get_task
from kerasrecipes.promotion.gates import Gates
from kerasrecipes.release.bundle import Bundle
from kerasrecipes.release.comparing import answers_of, check_comparable, compare_bundles
from kerasrecipes.release.comparison import MIXED, WORSE
from kerasrecipes.signing import check_signature
from kerasrecipes.statistics.shares import share_of
from kerasrecipes.statistics.shown import of_groups

_NO_CHAMPION = "no version is in use yet, so there is nothing to compare with"


@dataclass(frozen=True)
class Judged:
    """A version before the gates.

    Args:
        bundle: The version.
        export: The export that would answer.
        champion: The version that it would replace, if there is one.
        gates: What is asked.
    """

    bundle: Bundle
    export: ExportRecord
    champion: Bundle | None
    gates: Gates

    def results(self) -> tuple[GateResult, ...]:
        """Ask everything, the cheapest first; one that fails does not spare the others.

        Raises:
            DataError: If the photos cannot be used.
            IntegrityError: If a file of a bundle was changed.
        """
        return (*self._stated(), *self._file(), *self._on_photos())

    def _signature(self, trust: str) -> GateResult:
        try:
            told, passed = str(check_signature(self.bundle, trust)), True
        except IntegrityError as error:
            told, passed = str(error), False
        return GateResult(name="signature", passed=passed, told=told)

    def _stated(self) -> Iterator[GateResult]:
        """Judge by what the bundle says."""
        if self.gates.same_question and self.champion is not None:
            yield self._question(self.champion)
        yield from self._operating_point()
        if self.gates.drift_profile:
            has = PROFILE_FILE in self.bundle.manifest.sha256
            told = "it is there" if has else "the bundle holds none; train again to have one"
            yield GateResult(name="drift profile", passed=has, told=told)
        if self.gates.trust is not None:
            yield self._signature(self.gates.trust)
        if self.gates.licences is not None:
            yield self._licence(self.gates.licences)

    def _licence(self, allowed: tuple[str, ...]) -> GateResult:
        has = self.bundle.manifest.weights.get("licence", "not stated")
        told = f"the pretrained weights are under '{printable(has)}'; allowed: {listed(allowed)}"
        return GateResult(name="licence", passed=has in allowed, told=told)

    def _question(self, champion: Bundle) -> GateResult:
        try:
            check_comparable(champion, self.bundle)
        except DataError as error:
            return GateResult(name="same question", passed=False, told=str(error))
        told = "the same kind of data, task and classes"
        return GateResult(name="same question", passed=True, told=told)

    def _operating_point(self) -> Iterator[GateResult]:
        has = [one.alarm is not None or one.rule is not None for one in self._outputs()]
        if not self.gates.operating_point and not any(has[1:]):
            return
        told = "it has one"
        if not has[0]:
            whose = "the version in use has one" if any(has[1:]) else "the gates ask for one"
            told = f"{whose}, and this one has none; choose one by kerasrecipes operate"
        yield GateResult(name="operating point", passed=has[0], told=told)

    def _outputs(self) -> list[OutputSpec]:
        return [one.output for one in (self.bundle, self.champion) if one is not None]

    def _file(self) -> Iterator[GateResult]:
        """Run the golden vectors again, and compare what the file costs with the limits."""
        from kerasrecipes.verify.checking import verify_export

        found, gates = verify_export(self.bundle, self.export.name), self.gates
        told = "; ".join(found.failures) or (
            f"{found.photos} answered as the trained model does, {found.agreement:.1%} alike"
        )
        yield GateResult(name="golden vectors", passed=found.passed, told=told)
        memory = None if found.memory_bytes is None else found.memory_bytes / 1e6
        for name, value, limit, unit in (
            ("latency", found.latency[1].median_ms, gates.max_latency_ms, "ms"),
            ("latency, p95", found.latency[1].p95_ms, gates.max_p95_ms, "ms"),
            ("size", found.size_bytes / 1e6, gates.max_size_mb, "MB"),
            ("memory", memory, gates.max_memory_mb, "MB"),
        ):
            if limit is not None:
                shown = "not known on this system" if value is None else f"{value:.4g} {unit}"
                passed = value is not None and value <= limit
                told = f"{shown}; at most {limit:g} {unit}"
                yield GateResult(name=name, passed=passed, told=told)

    def _on_photos(self) -> Iterator[GateResult]:
        gates = self.gates
        if gates.photos is None:
            return
        if self.champion is None:
            yield GateResult(name="not worse", passed=True, told=_NO_CHAMPION)
        elif all(one.passed for one in self._stated()):
            found = compare_bundles(
                self.champion,
                self.bundle,
                gates.photos,
                leave_out_seen=gates.leave_out_seen,
                exported=True,
            )
            worse = found.verdict in (WORSE, MIXED)
            yield GateResult(name="not worse", passed=not worse, told=found.to_dict()["says"])
        else:
            told = "not compared, since another gate above refuses"
            yield GateResult(name="not worse", passed=False, told=told)
        if gates.min_accuracy is not None or gates.min_worst_class is not None:
            yield from self._limits(self._unseen(gates.photos))

    def _unseen(self, photos: str) -> Examples:
        from kerasrecipes.verify.held_out import unseen_photos

        chosen, left_out = unseen_photos(self.bundle, photos)
        if left_out and not self.gates.leave_out_seen:
            raise DataError(
                f"The version learned from {left_out} of the {chosen.noun[1]} in "
                f"'{printable(photos)}', which would flatter it. Give others to the gates, or say "
                "leave_out_seen = true."
            )
        return chosen

    def _limits(self, photos: Examples) -> Iterator[GateResult]:
        output, gates = self.bundle.output, self.gates
        task = get_task(output.task)
        targets, answers = task.targets(photos, output), answers_of(self.bundle, photos, True)
        right = task.right(targets, answers, output)
        if right is None or task.target != CLASS:
            raise DataError(
                "`min_accuracy` and `min_worst_class` are for models that name one class, and this "
                f"one answers '{printable(output.task)}'. Leave them out: it must not be worse "
                "than the version in use."
            )
        groups = group_numbers(photos.groups, len(photos))
        if gates.min_accuracy is not None:
            yield _share("accuracy", right, groups, gates.min_accuracy)
        if gates.min_worst_class is not None:
            found = {name: targets == k for k, name in enumerate(output.class_names)}
            missing = [name for name, shows in found.items() if not shows.any()]
            if missing:
                told = f"no {photos.noun[0]} shows '{printable(missing[0])}', so nothing is known"
                yield GateResult(name="worst class", passed=False, told=told)
                return
            worst = min(found, key=lambda name: (right[found[name]].mean(), name))
            rows, least = found[worst], gates.min_worst_class
            of = None if groups is None else groups[rows]
            yield _share("worst class", right[rows], of, least, f"{worst}: ")


def _share(
    name: str, right: np.ndarray, groups: np.ndarray | None, least: float, of: str = ""
) -> GateResult:
    share = share_of(right, groups)
    parts = of_groups(None if groups is None else len(np.unique(groups)))
    told = f"{printable(of)}{share.percent(1)} of {len(right):,}{parts}; at least {least:.1%}"
    return GateResult(name=name, passed=share.value >= least, told=told)
