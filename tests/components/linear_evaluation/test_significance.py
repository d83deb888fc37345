"""p-values against sums of binomial terms and a table of the normal distribution."""

import math

import pytest

from components.linear_evaluation import significance


@pytest.mark.parametrize(("won", "lost"), [(1, 0), (5, 0), (9, 1), (20, 14), (14, 20), (0, 3)])
def test_paired_is_the_tail_of_fair_throws(won, lost):
    throws = won + lost
    tail = sum(math.comb(throws, heads) for heads in range(won, throws + 1)) / 2**throws
    assert significance.paired(won, lost) == pytest.approx(tail)


def test_no_difference_is_no_evidence():
    assert significance.paired(0, 0) == 1
    assert significance.unpaired(50, 50, 50) == 1
    assert significance.unpaired(30, 30, 50) == pytest.approx(0.5)


def test_unpaired_is_the_tail_of_the_normal_distribution():
    # 60 and 40 of 100: pooled 0.5, deviation sqrt(0.005), so z = 2.8284.
    assert significance.unpaired(60, 40, 100) == pytest.approx(0.00234, abs=1e-5)
    assert significance.unpaired(40, 60, 100) == pytest.approx(1 - 0.00234, abs=1e-5)
