"""The statistics of few pairs, each held against a library that computes it by another way."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from bench.inference import (
    ALPHA,
    FEWEST_FUNCTIONS,
    Estimate,
    half_width,
    holm,
    kendall,
    p_value,
    probability_of_improvement,
    resolution,
)

NAN = math.nan


@pytest.mark.parametrize("n", [2, 3, 5, 10, 30])
def test_interval_and_p_are_those_of_the_paired_t_test(n: int) -> None:
    rng = np.random.default_rng(n)
    relu, other = rng.normal(90, 2, n), rng.normal(91, 2, n)
    differences = other - relu
    expected = stats.ttest_rel(other, relu)
    se = float(differences.std(ddof=1)) / math.sqrt(n)
    assert p_value(float(differences.mean()), se, n - 1) == pytest.approx(expected.pvalue, rel=1e-9)
    low, high = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    assert differences.mean() - half_width(se, n - 1) == pytest.approx(low, rel=1e-9)
    assert differences.mean() + half_width(se, n - 1) == pytest.approx(high, rel=1e-9)


def test_the_level_of_an_interval_can_be_chosen() -> None:
    data = [1.0, 2.0, 4.0, 8.0]
    low, _ = stats.ttest_1samp(data, 0).confidence_interval(0.9)
    se = float(np.std(data, ddof=1)) / 2
    assert 3.75 - half_width(se, 3, alpha=0.1) == pytest.approx(low)


def test_p_of_both_signs_is_the_same_and_of_no_scatter_is_none() -> None:
    assert p_value(0.5, 0.2, 4) == p_value(-0.5, 0.2, 4)
    assert p_value(0.0, 0.2, 4) == 1.0
    assert math.isnan(p_value(0.5, 0.0, 4))


@pytest.mark.parametrize("size", [1, 2, 7, 45, 180])
def test_holm_is_statsmodels_holm(size: int) -> None:
    raw = np.random.default_rng(size).uniform(0, 0.2, size).tolist()
    assert holm(raw) == pytest.approx(list(multipletests(raw, ALPHA, "holm")[1]))


def test_holm_by_hand() -> None:
    assert holm([]) == []
    assert holm([0.03, 0.01, 0.04]) == pytest.approx([0.06, 0.03, 0.06])  # 3 × 0.01, 2 × 0.03, and never below the last
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([0.02, 0.02]) == pytest.approx([0.04, 0.04])


def test_holm_does_not_count_what_was_not_tested() -> None:
    adjusted = holm([NAN, 0.01, NAN, 0.04])
    assert [adjusted[1], adjusted[3]] == pytest.approx([0.02, 0.04])
    assert math.isnan(adjusted[0])
    assert math.isnan(adjusted[2])


@pytest.mark.parametrize("n", [5, 10, 20, 50])
@pytest.mark.parametrize("tests", [1, 36, 180])
def test_a_shift_as_large_as_the_resolution_has_the_power_of_the_noncentral_t(n: int, tests: int) -> None:
    shift = resolution(n, tests) * math.sqrt(n)
    critical = stats.t.ppf(1 - ALPHA / (2 * tests), n - 1)
    power = stats.nct.sf(critical, n - 1, shift)
    assert power == pytest.approx(0.8, abs=0.002)


def test_resolution_has_the_power_where_the_noncentral_t_is_unknown() -> None:
    """Two pairs that share the error with 100 tests: the library's distribution is NaN there, so count draws."""
    n, tests, rng = 2, 100, np.random.default_rng(0)
    shifted = rng.normal(resolution(n, tests), 1, (200_000, n))
    t = shifted.mean(1) / (shifted.std(1, ddof=1) / math.sqrt(n))
    assert np.mean(t > stats.t.ppf(1 - ALPHA / (2 * tests), n - 1)) == pytest.approx(0.8, abs=0.005)


def test_resolution_shrinks_with_pairs_and_grows_with_tests() -> None:
    sizes = [resolution(n) for n in (2, 3, 5, 10, 100)]
    assert sizes == sorted(sizes, reverse=True)
    assert resolution(10, 1) < resolution(10, 9) < resolution(10, 90)
    assert resolution(10, 0) == resolution(10, 1)
    assert math.isnan(resolution(1))
    assert math.isnan(resolution(0))


@pytest.mark.parametrize("higher", [True, False])
def test_probability_of_improvement_is_mann_whitneys_u_over_all_pairs(higher: bool) -> None:
    rng = np.random.default_rng(1)
    values, baseline = rng.integers(0, 6, 7).tolist(), rng.integers(0, 6, 9).tolist()  # with ties
    better = stats.mannwhitneyu(values, baseline) if higher else stats.mannwhitneyu(baseline, values)
    assert probability_of_improvement(values, baseline, higher) == pytest.approx(better.statistic / 63)


def test_probability_of_improvement_by_hand() -> None:
    assert probability_of_improvement([2.0, 3.0], [1.0, 2.0], True) == 0.875  # 3 wins and a tie of 4
    assert probability_of_improvement([2.0, 3.0], [1.0, 2.0], False) == 0.125
    assert probability_of_improvement([1.0], [1.0], True) == 0.5


def test_kendall_by_hand() -> None:
    found = kendall([1, 2, 3, 4, 5, 6, 7, 8], [2, 1, 3, 4, 5, 6, 7, 8])  # one of 28 pairs is the other way round
    assert found.tau == pytest.approx(26 / 28)
    assert found.n == 8
    centre, reach = math.atanh(26 / 28), 1.96 * math.sqrt(0.437 / 4)
    assert (found.low, found.high) == pytest.approx((math.tanh(centre - reach), math.tanh(centre + reach)))


def test_kendall_counts_ties_as_scipy_does() -> None:
    first, second = [1, 1, 2, 3, 4, 4], [2, 1, 2, 5, 3, 3]
    assert kendall(first, second).tau == pytest.approx(stats.kendalltau(first, second).statistic)


def test_few_functions_have_a_tau_but_no_interval() -> None:
    few = list(range(FEWEST_FUNCTIONS - 1))
    found = kendall(few, few)
    assert found.tau == pytest.approx(1.0)
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert math.isnan(kendall([1.0], [1.0]).tau)


def test_an_order_of_ties_alone_has_no_tau() -> None:
    found = kendall([1.0] * 8, list(range(8)))
    assert math.isnan(found.tau)
    assert math.isnan(found.low)


def test_functions_that_lie_at_a_guess_are_last_in_an_order() -> None:
    assert kendall([-math.inf, 1.0, 2.0], [-1.0, 1.0, 2.0]).tau == pytest.approx(1.0)


def test_the_interval_of_a_perfect_order_is_no_point() -> None:
    """Six functions in the same order on two tasks prove no correlation of 1."""
    same, reverse = kendall(range(6), range(6)), kendall(range(6), range(5, -1, -1))
    assert same.low < 0.9 < 0.98 < same.high <= 1
    assert -1 <= reverse.low < -0.98 < -0.9 < reverse.high


def test_an_estimate_shows_value_and_bounds() -> None:
    assert str(Estimate(0.5, -0.25, 1.25)) == "+0.500 [-0.250, +1.250]"
