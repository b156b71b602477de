"""Numbers with intervals: writing, equality, JSON."""

import json
import math

import pytest

from kerasrecipes.statistics.estimate import Estimate, decode_float, encode_float


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (Estimate(0.84, 0.78, 0.89), "84% (78–89)"),
        (Estimate(0.996, 0.98, 0.999), "99.6% (98.0–99.9)"),
        (Estimate(1.0, 0.97, 1.0), "100% (97–100)"),
        (Estimate(0.5), "50%"),
        (Estimate(math.nan), "–"),
    ],
)
def test_shares_are_written_as_percentages(estimate, text):
    assert estimate.percent() == text


def test_numbers_are_written_with_their_interval():
    assert Estimate(0.93512, 0.91, 0.95).number() == "0.935 (0.910–0.950)"
    assert Estimate(0.93512).number(2) == "0.94"
    assert Estimate(-0.2, -0.3, -0.1).number(1) == "-0.2 (-0.3 to -0.1)"
    assert Estimate(math.nan).number() == "–"
    assert Estimate(0.84, 0.78, 0.89).percent(1) == "84.0% (78.0–89.0)"


@pytest.mark.parametrize("value", [0.1, math.inf, -math.inf, math.nan])
def test_every_float_survives_json(value):
    text = json.dumps(encode_float(value), allow_nan=False)
    back = decode_float(json.loads(text))
    assert back == value or (math.isnan(back) and math.isnan(value))


def test_undefined_estimates_are_equal():
    assert Estimate(float("nan")) == Estimate(float("nan"))
    assert Estimate(0.5, 0.4, 0.6) != Estimate(0.5, 0.4, 0.7)
    assert Estimate(0.5) != 0.5
    assert len({Estimate(float("nan")), Estimate(math.nan)}) == 1
