import hashlib

import numpy as np

from components.augmentation.held_out import held_out_ranks, is_held_out
from components.augmentation.stored_image import StoredImage

IMAGES = [
    StoredImage(hashlib.sha256(str(number).encode()).hexdigest().encode(), b"", 1, 1, b"cat")
    for number in range(20_000)
]


def test_the_fraction_is_held_out():
    ranks = held_out_ranks(IMAGES)
    chosen = np.mean([is_held_out(rank, 0.1, 0.0) for rank in ranks])
    assert abs(chosen - 0.1) < 5 * np.sqrt(0.09 / len(IMAGES))


def test_the_choice_is_independent_of_the_digest_s_order():
    """Ingestion takes test from one end of the digests; what is held out comes from all over the rest."""
    ranks = held_out_ranks(sorted(IMAGES, key=lambda image: image.digest))
    assert abs(np.corrcoef(ranks, np.arange(len(IMAGES)))[0, 1]) < 5 / np.sqrt(len(IMAGES))


def test_the_smallest_rank_is_held_out_in_any_case():
    ranks = held_out_ranks(IMAGES[:5])
    assert sum(is_held_out(rank, 1e-12, ranks.min()) for rank in ranks) == 1


def test_a_larger_fraction_keeps_what_a_smaller_one_held_out():
    ranks = held_out_ranks(IMAGES[:1000])
    small, large = ({n for n, rank in enumerate(ranks) if is_held_out(rank, f, 0.0)} for f in (0.1, 0.2))
    assert small < large


def test_a_group_has_one_rank():
    grouped = [image._replace(group=b"patient %d" % (number % 300)) for number, image in enumerate(IMAGES)]
    ranks = held_out_ranks(grouped)
    assert all(len(set(ranks[number::300])) == 1 for number in range(300))
    assert len(set(ranks)) == 300
    chosen = np.mean([is_held_out(rank, 0.1, 0.0) for rank in ranks[:300]])
    assert abs(chosen - 0.1) < 5 * np.sqrt(0.09 / 300)
