import hashlib

import numpy as np

from components.augmentation.held_out import held_out_ranks, is_held_out

DIGESTS = [hashlib.sha256(str(number).encode()).hexdigest().encode() for number in range(20_000)]


def test_the_fraction_is_held_out():
    ranks = held_out_ranks(DIGESTS)
    chosen = np.mean([is_held_out(rank, 0.1, 0.0) for rank in ranks])
    assert abs(chosen - 0.1) < 5 * np.sqrt(0.09 / len(DIGESTS))


def test_the_choice_is_independent_of_the_digest_s_order():
    """Ingestion takes test from one end of the digests; what is held out comes from all over the rest."""
    ranks = held_out_ranks(sorted(DIGESTS))
    assert abs(np.corrcoef(ranks, np.arange(len(DIGESTS)))[0, 1]) < 5 / np.sqrt(len(DIGESTS))


def test_the_smallest_rank_is_held_out_in_any_case():
    ranks = held_out_ranks(DIGESTS[:5])
    assert sum(is_held_out(rank, 1e-12, ranks.min()) for rank in ranks) == 1


def test_a_larger_fraction_keeps_what_a_smaller_one_held_out():
    ranks = held_out_ranks(DIGESTS[:1000])
    small, large = ({n for n, rank in enumerate(ranks) if is_held_out(rank, f, 0.0)} for f in (0.1, 0.2))
    assert small < large
