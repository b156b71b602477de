"""The simple model that a network for signals must beat: random convolutions, and ridge.

Features as in MiniRocket: how often a convolution with one of 84 fixed kernels, at several
dilations, is above a bias; with those of summary statistics beside them. No feature is learned.

Reference:
    Dempster et al., 2021, "MiniRocket: A Very Fast (Almost) Deterministic Transform for Time
    Series Classification".
"""

import time
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from kerasrecipes.signals.reader import padded
from kerasrecipes.signals.similar import moments
from kerasrecipes.training.baselines.beside import Baseline, compare_with

if TYPE_CHECKING:
    from kerasrecipes.signals.signal_set import SignalSet

CALLED = "Ridge on random convolutions and summaries"
LENGTH, HIGH = 9, 3
_KERNELS = tuple(combinations(range(LENGTH), HIGH))
_DILATIONS, _BIASES, _MOST_CHANNELS = 8, 3, 9
_QUANTILES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
_BATCH = 64


def fit_baseline(train: "SignalSet", test: "SignalSet", seed: int = 0) -> Baseline:
    """Let the simple model learn from signals, and ask it about others.

    Args:
        train: Signals with one class each, of which every class occurs.
        test: Signals of the same classes.
        seed: Seed of what is drawn.
    """
    from sklearn.linear_model import RidgeClassifierCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    started = time.perf_counter()
    features = Features.of(train, seed)
    model = make_pipeline(StandardScaler(), RidgeClassifierCV(alphas=np.logspace(-3, 3, 10)))
    model.fit(features(train), train.labels)
    scores = model.decision_function(features(test))
    scores = np.column_stack([-scores, scores]) if scores.ndim == 1 else scores
    answers = np.zeros((len(test), len(train.class_names)))
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    answers[:, model.classes_] = weights / weights.sum(axis=1, keepdims=True)
    return Baseline(answers, time.perf_counter() - started, CALLED)


class Features:
    """Turns signals into rows of numbers, by what was drawn from the training signals.

    Args:
        mean: Mean of each channel.
        deviation: Standard deviation of each channel.
        longest: Steps of the longest training signal.
        seed: Decides which channels are added up for which kernel, and whose values are biases.
    """

    def __init__(self, mean: np.ndarray, deviation: np.ndarray, longest: int, seed: int = 0):
        self._mean, self._deviation = mean, deviation
        rng = np.random.default_rng(seed)
        most = max(1, (longest - 1) // (LENGTH - 1))
        steps = np.geomspace(1, most, min(_DILATIONS, most))
        self._dilations = sorted({int(one) for one in steps})
        channels = len(mean)
        some = min(channels, _MOST_CHANNELS)
        # Which channels are added up, for each dilation and kernel.
        self._channels = np.zeros((len(self._dilations), len(_KERNELS), channels), np.float32)
        for place in np.ndindex(self._channels.shape[:2]):
            count = int(2 ** rng.uniform(0, np.log2(some + 1)))
            self._channels[place][rng.permutation(channels)[: max(1, count)]] = 1
        self._biases: np.ndarray | None = None

    @classmethod
    def of(cls, train: "SignalSet", seed: int = 0) -> "Features":
        """Draw kernels and biases for training signals."""
        mean, variance = moments(train.signals)
        longest = max(len(one.values) for one in train.signals)
        deviation = np.sqrt(np.where(variance > 0, variance, 1.0))
        made = cls(np.nan_to_num(mean), np.nan_to_num(deviation, nan=1.0), longest, seed)
        made._biases = made._drawn(train, seed)
        return made

    def __call__(self, signals: "SignalSet") -> np.ndarray:
        """Return the features, float64, shape `(n, features)`."""
        rows = []
        for begin in range(0, len(signals), _BATCH):
            some = signals.select(range(begin, min(begin + _BATCH, len(signals))))
            values, real = self._scaled(some)
            rows.append(np.hstack([_summaries(values, real), *self._shares(values, real)]))
        return np.vstack(rows)

    def _scaled(self, signals: "SignalSet") -> tuple[np.ndarray, np.ndarray]:
        """Return values `(n, channels, steps)` with 0 for what is missing, and the real steps."""
        raw = padded([one.values for one in signals.signals])
        lengths = np.array([len(one.values) for one in signals.signals])
        real = np.arange(raw.shape[1]) < lengths[:, None]
        scaled = np.nan_to_num((raw - self._mean) / self._deviation).astype(np.float32)
        return scaled.transpose(0, 2, 1), real

    def _convolved(self, values: np.ndarray, place: int) -> np.ndarray:
        """Return the outputs of all kernels at one dilation, shape `(kernels, n, steps)`."""
        dilation, steps = self._dilations[place], values.shape[2]
        reach = dilation * (LENGTH // 2)
        wide = np.pad(values, ((0, 0), (0, 0), (reach, reach)))
        shifted = np.stack([wide[:, :, i * dilation : i * dilation + steps] for i in range(LENGTH)])
        # Weights are -1, and 2 at three places: minus all, and three times those.
        minus = shifted.sum(axis=0)
        found = np.empty((len(_KERNELS), len(values), steps), np.float32)
        for kernel, high in enumerate(_KERNELS):
            chosen = self._channels[place, kernel]
            one = 3 * shifted[list(high)].sum(axis=0) - minus
            found[kernel] = np.einsum("ncs,c->ns", one, chosen)
        return found

    def _drawn(self, train: "SignalSet", seed: int) -> np.ndarray:
        """Return values of the outputs on some training signals, by kernel, to compare with."""
        rng = np.random.default_rng([seed, 1])
        drawn = train.select(rng.permutation(len(train))[:_BATCH])
        values, real = self._scaled(drawn)
        levels = np.linspace(0.2, 0.8, _BIASES)
        biases = [
            [np.quantile(one[real], levels) for one in self._convolved(values, place)]
            for place in range(len(self._dilations))
        ]
        return np.array(biases, np.float32)

    def _shares(self, values: np.ndarray, real: np.ndarray) -> list[np.ndarray]:
        """Return the share of steps at which each output is above each of its biases."""
        biases = self._biases
        if biases is None:
            raise ValueError("Features are drawn by `Features.of`.")
        count = real.sum(axis=1)
        found = []
        for place in range(len(self._dilations)):
            outputs = self._convolved(values, place)
            for level in range(_BIASES):
                above = (outputs > biases[place, :, level, None, None]) & real
                found.append((above.sum(axis=2) / count).T)
        return found


def _summaries(values: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Return statistics of each channel, and the length, shape `(n, channels * 10 + 1)`."""
    rows = []
    for one, steps in zip(values, real.sum(axis=1), strict=True):
        known = one[:, :steps]
        change = np.abs(np.diff(known, axis=1)).mean(axis=1) if steps > 1 else 0 * known[:, 0]
        parts = [*np.quantile(known, _QUANTILES, axis=1), known.mean(axis=1), known.std(axis=1)]
        rows.append(np.concatenate([*parts, change, [np.log1p(steps)]]))
    return np.array(rows)


compare_with_baseline = partial(compare_with, fit_baseline)
