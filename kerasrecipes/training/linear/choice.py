"""Which linear model of frozen features is best, found on folds of someone's own examples."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from kerasrecipes.data.examples import CLASS
from kerasrecipes.environment import one_thread
from kerasrecipes.evaluation.calibration import fitted_temperature
from kerasrecipes.training.linear.depths import DepthFeatures
from kerasrecipes.training.linear.folds import Folds
from kerasrecipes.training.linear.regression import (
    STRENGTHS,
    LinearProbe,
    Scaled,
    answers_of,
    fitter,
    losses_of,
)

# How features share a scale: those of one block, or each by itself.
BLOCK, EACH = "block by block", "feature by feature"
# What nobody could choose by anything, since no example can be judged by others.
UNJUDGED = 100.0
MOST_TAKEN = 3
# While candidates are compared, so many directions in which the examples differ most are looked at.
MOST_COORDINATES = 300


@dataclass(frozen=True)
class Candidate:
    """A regression that may be the best one.

    Args:
        depths: How many of the last blocks it reads.
        scaling: What shares a scale.
    """

    depths: int
    scaling: str

    def __str__(self) -> str:
        blocks = "the last block" if self.depths == 1 else f"the last {self.depths} blocks"
        return f"{blocks}, scaled {self.scaling}"

    def scaled(self, features: DepthFeatures) -> Scaled:
        """Return its features of examples."""
        widths = features.widths[-self.depths :]
        return Scaled.of(features.last(self.depths), widths, self.scaling == EACH)


@dataclass(frozen=True)
class Trial:
    """How a candidate did on the folds.

    Args:
        candidate: It.
        strength: The strength that did best: scikit-learn's `C`, or 1 / `alpha`.
        scores: Linear scores of the examples that were judged, fold after fold.
        loss: Their mean loss.
    """

    candidate: Candidate
    strength: float
    scores: np.ndarray
    loss: float


@dataclass(frozen=True)
class Choice:
    """The candidates that were taken, and why.

    Args:
        trials: What was tried, the best first; none if there were no folds.
        taken: Those of which the mean score is the model.
        reason: Why, as a sentence.
        judged: Indices of the examples that were judged, fold after fold.
        answers: What the model said of them, without having learned from them.
        loss: The mean loss of that.
        target: What is answered with; see `Examples`.
        temperature: What the scores are divided by, so that they are as sure as they should be.
    """

    trials: tuple[Trial, ...]
    taken: tuple[Trial, ...]
    reason: str
    judged: np.ndarray
    answers: np.ndarray
    loss: float
    target: str
    temperature: float = 1.0

    @property
    def depths(self) -> int:
        """How many of the last blocks the model reads."""
        return max(trial.candidate.depths for trial in self.taken)

    def solve(
        self, features: DepthFeatures, targets: np.ndarray, weights: np.ndarray | None
    ) -> LinearProbe:
        """Return the model, as it learns from examples.

        Args:
            features: Theirs.
            targets: What is right for them.
            weights: How much an example of each class counts; `None` without classes.
        """
        width, kernels, biases = features.last(self.depths).shape[1], [], []
        for trial in self.taken:
            kernel, bias = self.solve_one(trial, features, targets, weights)
            kernels.append(np.pad(kernel, ((width - len(kernel), 0), (0, 0))))
            biases.append(bias)
        kernel, bias = (
            (np.mean(each, axis=0) / self.temperature).astype(np.float32)
            for each in (kernels, biases)
        )
        return LinearProbe(kernel, bias, self.depths, self.target)

    def solve_one(
        self,
        trial: Trial,
        features: DepthFeatures,
        targets: np.ndarray,
        weights: np.ndarray | None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the kernel and the bias of one regression; see `solve`."""
        scaled = trial.candidate.scaled(features)
        fit = fitter(self.target, scaled.rows, targets, weights, exact=True)
        with one_thread():
            return scaled.back(*fit(trial.strength))

    def taking(self, trials: Sequence[Trial]) -> "Choice":
        """Return the same, but for what is taken."""
        return replace(self, taken=tuple(trials))

    def among(self, depths: int) -> "Choice":
        """Return what is best of all that read at most so many blocks."""
        if self.depths <= depths or not self.trials:
            return self
        return self.taking([one for one in self.trials if one.candidate.depths <= depths][:1])


def choose_linear(
    features: DepthFeatures,
    targets: np.ndarray,
    weights: np.ndarray | None,
    folds: Folds,
    target: str,
) -> Choice:
    """Try regressions on folds, and take the best one, or the mean of the best three.

    The mean is taken where its loss is the lower one: then less hangs on one choice. The simplest
    one that cannot be told from the best was tried, too: with few photos hardly any can be, and it
    was worse on photos that nothing was chosen by.

    Args:
        features: Of the examples.
        targets: What is right for the examples; see `fitter`.
        weights: How much an example of each class counts, shape `(classes,)`; `None` without
            classes.
        folds: What to judge by.
        target: One class, labels, or a number; see `Examples`.
    """
    candidates = [Candidate(count, how) for count in features.depths for how in (BLOCK, EACH)]
    folds = folds.judging(targets) if target == CLASS else folds
    judged = np.concatenate([np.empty(0, np.int64), *(judge for _, judge in folds.folds)])
    if not len(judged):
        usual = Trial(candidates[0], UNJUDGED, np.empty((0, 0)), np.nan)
        reason = "the usual one, since no example could be judged by others"
        return Choice((), (usual,), reason, judged, np.empty((0, 0)), np.nan, target)
    bench = _Bench(features, targets, weights, folds, judged, target)
    with one_thread():
        trials = sorted((bench.tried(one) for one in candidates), key=lambda trial: trial.loss)
    taken, scores, reason = bench.taken(trials)
    temperature = 1.0
    if target == CLASS:
        temperature = fitted_temperature(scores, targets[judged], weights=bench.counts)
    first = sum(len(judge) for _, judge in folds.folds[: folds.first])
    return Choice(
        trials=tuple(trials),
        taken=taken,
        reason=reason,
        judged=judged[:first],
        answers=answers_of(scores[:first] / temperature, target),
        loss=bench.judge(scores / temperature),
        target=target,
        temperature=temperature,
    )


@dataclass(frozen=True)
class _Bench:
    """Judges candidates on the same folds."""

    features: DepthFeatures
    targets: np.ndarray
    weights: np.ndarray | None
    folds: Folds
    judged: np.ndarray
    target: str

    @property
    def counts(self) -> np.ndarray:
        """How much each example that is judged counts."""
        if self.weights is None:
            return np.ones(len(self.judged))
        return self.weights[self.targets[self.judged]]

    def judge(self, scores: np.ndarray) -> float:
        """Return the mean loss of linear scores."""
        answers = answers_of(scores, self.target)
        losses = losses_of(answers, self.targets[self.judged], self.target)
        return float(np.average(losses, weights=self.counts))

    def tried(self, candidate: Candidate) -> Trial:
        """Return how a candidate does with its best strength, from the weakest on."""
        rows = candidate.scaled(self.features).rows[:, -MOST_COORDINATES:]
        fits = [
            fitter(self.target, rows[learn], self.targets[learn], self.weights, exact=False)
            for learn, _ in self.folds.folds
        ]
        best = Trial(candidate, UNJUDGED, np.empty((0, 0)), np.inf)
        for strength in STRENGTHS:
            scores = []
            for fit, (_, judge) in zip(fits, self.folds.folds, strict=True):
                kernel, bias = fit(strength)
                scores.append(rows[judge] @ kernel + bias)
            together = np.concatenate(scores)
            loss = self.judge(together)
            if loss >= best.loss:
                break  # the loss has one valley
            best = Trial(candidate, strength, together, loss)
        return best

    def taken(self, trials: list[Trial]) -> tuple[tuple[Trial, ...], np.ndarray, str]:
        """Take the best of what was tried, or the mean of some.

        Args:
            trials: What was tried, the best first.

        Returns:
            What is taken, its scores, and why.
        """
        best, some = trials[0], tuple(trials[:MOST_TAKEN])
        mean: np.ndarray = np.mean([trial.scores for trial in some], axis=0)
        if (loss := self.judge(mean)) < best.loss:
            reason = (
                f"the mean of the best {len(some)} of {len(trials)} regressions, whose loss is "
                f"{loss:.3f} on examples that they did not learn from; the best alone, of "
                f"{best.candidate}, has {best.loss:.3f}"
            )
            return some, mean, reason
        reason = (
            f"the best of {len(trials)} regressions, of {best.candidate}, whose loss is "
            f"{best.loss:.3f} on examples that it did not learn from"
        )
        return (best,), best.scores, reason
