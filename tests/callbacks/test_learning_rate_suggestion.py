import numpy as np
import pytest

from kerasrecipes.callbacks.learning_rates.suggestion import (
    Sweep,
    combine_sweeps,
    noise_of,
    smooth,
    valley,
)

RATES = np.geomspace(1e-7, 10, 100)


def sweep(seed, noise=0.05, drop=1.0, explosion=None):
    """A loss that falls around a rate of 1e-3, and may explode beyond another."""
    rng = np.random.default_rng(seed)
    losses = 2.3 - drop / (1 + np.exp(-3 * (np.log10(RATES) + 3))) + rng.normal(0, noise, 100)
    end = 100
    if explosion is not None:
        end = int(np.searchsorted(RATES, explosion)) + 1
        losses[end - 1] = np.inf
    return Sweep(tuple(RATES[:end]), tuple(losses[:end]), explosion is not None)


def test_a_falling_loss_gives_a_rate_on_its_slope():
    found = combine_sweeps([sweep(seed) for seed in range(3)], 1e-5)
    assert found.found
    assert 3e-4 < found.learning_rate < 3e-2
    assert "3 of 3 sweeps agree" in str(found)


def test_the_median_is_geometric():
    sweeps = [sweep(seed) for seed in range(3)]
    single = sorted(one.suggest()[0] for one in sweeps)
    assert combine_sweeps(sweeps, 1).learning_rate == pytest.approx(single[1])
    two = combine_sweeps(sweeps[:2], 1).learning_rate
    assert two**2 == pytest.approx(np.prod([one.suggest()[0] for one in sweeps[:2]]))


def test_a_flat_noisy_loss_is_not_interpreted():
    """Where fastai's valley answers all the same."""
    answers = [
        combine_sweeps([sweep(10 * i + k, noise=0.3, drop=0) for k in range(3)], 1e-5)
        for i in range(20)
    ]
    assert not any(answer.found for answer in answers)
    assert {answer.learning_rate for answer in answers} == {1e-5}
    assert "within its noise" in answers[0].reason


def test_a_short_valley_is_chance():
    losses = (*np.full(60, 2.0), *np.linspace(2.0, 1.0, 8), *np.linspace(2.0, 3.0, 32))
    rate, reason = Sweep(tuple(RATES), losses).suggest()
    assert rate is None
    assert "for 10 steps only, as chance" in reason


def test_the_rate_is_at_most_a_tenth_of_the_explosion():
    rates = tuple(np.geomspace(1e-7, 10, 300)[:250])
    losses = (*np.full(190, 2.0), *np.linspace(2.0, 1.0, 59), np.inf)
    rate, reason = Sweep(rates, losses, True).suggest()
    assert rate == rates[-1] / 10
    assert "a tenth" in reason
    free, _ = Sweep(rates, losses).suggest()
    assert free > rate


def test_too_few_steps_and_no_sweeps_say_so():
    short = Sweep(tuple(RATES[:5]), (1.0, 1.0, 1.0, 1.0, float("nan")), True)
    assert "only 0 steps are usable" in combine_sweeps([short] * 3, 1e-3).reason
    assert "no sweep was finished" in combine_sweeps([], 1e-3).reason


def test_smoothing_is_not_pulled_to_zero():
    assert smooth([2.0] * 5) == pytest.approx([2.0] * 5)


def test_noise_is_found_under_a_slope_and_an_explosion():
    rng = np.random.default_rng(0)
    losses = np.linspace(2, 1, 2000) + rng.normal(0, 0.1, 2000)
    losses[-20:] = 1e6
    assert noise_of(losses) == pytest.approx(0.1, rel=0.1)


def test_valley_is_the_longest_fall():
    assert valley(np.array([1.0, 2.0, 3.0])) == (0, 0)
    assert valley(np.array([3.0, 4.0, 3.5, 3.6, 3.0, 2.0, 5.0])) == (2, 5)


def test_plot_writes_a_picture(tmp_path):
    found = combine_sweeps([sweep(0, explosion=1.0), sweep(1)], 1e-3)
    path = found.plot(tmp_path / "sweep.png")
    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.stat().st_size > 5000
