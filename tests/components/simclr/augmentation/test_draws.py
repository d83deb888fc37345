import hashlib

import numpy as np
import pytest

from components.simclr.augmentation import draws

COUNT = 100_000
FROZEN = ["0.334245730453", "0.544003435542", "0.106893627799"]  # of a seed, an epoch, a view and a slot


@pytest.fixture(scope="module")
def keys():
    return draws.view_keys(7, np.arange(COUNT, dtype=np.uint64), epoch=0, view=0)


def test_image_key_is_the_head_of_the_digest():
    digest = hashlib.sha256(b"image").hexdigest()
    expected = int(digest[:16], 16)
    assert draws.image_keys([digest, digest.encode()]).tolist() == [expected, expected]
    assert draws.image_keys([]).shape == (0,)


@pytest.mark.parametrize("digest", ["abc", "", "z" * 64, b"\xff" * 64, " 123456789abcde f"])
def test_what_is_no_digest_is_refused(digest):
    with pytest.raises(ValueError, match="16 hex characters"):
        draws.image_keys([digest])


def test_mixing_is_splitmix64():
    # First outputs of splitmix64 from seeds 0 and 1234567, as published with the reference C code.
    words = np.array([0, 1234567], np.uint64)
    assert draws._mix64(words).tolist() == [0xE220A8397B1DCDAF, 6457827717110365317]


def test_one_changed_input_bit_changes_half_of_the_output_bits(keys):
    base = keys[:2000]
    for bit in range(64):
        changed = draws.bits(base, 3) ^ draws.bits(base ^ np.uint64(1 << bit), 3)
        flipped = np.unpackbits(changed.view(np.uint8)).mean()
        assert abs(flipped - 0.5) < 0.01, bit


def test_uniform_is_uniform(keys):
    numbers = draws.uniform(keys, 0)
    assert numbers.dtype == np.float64 and numbers.min() >= 0 and numbers.max() < 1
    assert abs(numbers.mean() - 1 / 2) < 5 * np.sqrt(1 / 12 / COUNT)
    assert abs(numbers.var() - 1 / 12) < 5 * np.sqrt(1 / 180 / COUNT)
    counts = np.histogram(numbers, bins=200, range=(0, 1))[0]
    chi_square = ((counts - COUNT / 200) ** 2 / (COUNT / 200)).sum()  # mean 199, std 20
    assert 199 - 100 < chi_square < 199 + 100


def _assert_independent(first, second):
    assert abs(np.corrcoef(first, second)[0, 1]) < 5 / np.sqrt(len(first))
    table = np.histogram2d(first, second, bins=16, range=[[0, 1], [0, 1]])[0]
    expected = len(first) / 256
    assert ((table - expected) ** 2 / expected).sum() < 255 + 5 * np.sqrt(2 * 255)


def test_neighbours_in_every_argument_are_independent(keys):
    images = np.arange(COUNT, dtype=np.uint64)
    base = draws.uniform(keys, 0)
    _assert_independent(base, draws.uniform(keys, 1))
    _assert_independent(base[:-1], base[1:])  # neighbouring image keys
    _assert_independent(base, draws.uniform(draws.view_keys(8, images, 0, 0), 0))
    _assert_independent(base, draws.uniform(draws.view_keys(7, images, 1, 0), 0))
    _assert_independent(base, draws.uniform(draws.view_keys(7, images, 0, 1), 0))
    _assert_independent(draws.uniform(draws.view_keys(7, images, 1, 0), 0), draws.uniform(keys + np.uint64(1), 0))


def test_sequences_along_slots_epochs_and_seeds_are_uniform():
    key = np.array([99], np.uint64)
    along_slots = np.concatenate([draws.uniform(key, slot) for slot in range(5000)])
    along_epochs = draws.uniform(draws.view_keys(1, key, np.arange(5000), 0), 0)
    along_seeds = np.concatenate([draws.uniform(draws.view_keys(seed, key, 0, 0), 0) for seed in range(5000)])
    for numbers in (along_slots, along_epochs, along_seeds):
        assert abs(numbers.mean() - 0.5) < 5 * np.sqrt(1 / 12 / 5000)
        _assert_independent(numbers[:-1], numbers[1:])


def test_no_two_views_share_a_key():
    images = np.arange(200, dtype=np.uint64)
    every = [
        draws.view_keys(seed, images, epoch, view) for seed in range(5) for epoch in range(10) for view in range(4)
    ]
    assert len(np.unique(np.concatenate(every))) == 5 * 10 * 4 * 200


def test_a_draw_depends_on_its_own_key_only(keys):
    assert draws.uniform(keys, 5)[37] == draws.uniform(keys[37:38], 5)[0]
    reversed_keys = draws.view_keys(7, np.arange(10, dtype=np.uint64)[::-1], 2, 1)
    assert np.array_equal(reversed_keys[::-1], draws.view_keys(7, np.arange(10, dtype=np.uint64), 2, 1))


def test_draws_are_the_same_for_ever():
    keys = draws.view_keys(-3, np.array([0, 1, 2**64 - 1], np.uint64), epoch=4, view=1)
    assert [f"{number:.12f}" for number in draws.uniform(keys, 122)] == FROZEN


def test_bernoulli_follows_its_probability_and_is_exact_at_the_ends(keys):
    assert not draws.bernoulli(keys, 0, 0.0).any()
    assert draws.bernoulli(keys, 0, 1.0).all()
    assert abs(draws.bernoulli(keys, 0, 0.2).mean() - 0.2) < 5 * np.sqrt(0.16 / COUNT)


def test_integers_cover_their_range_evenly_and_take_a_range_per_key(keys):
    numbers = draws.integers(keys, 0, -1, 3)
    counts = np.bincount(numbers + 1, minlength=4)
    assert set(numbers) == {-1, 0, 1, 2}
    assert np.abs(counts - COUNT / 4).max() < 5 * np.sqrt(COUNT * 3 / 16)
    highs = np.array([1, 2, 3, 1000])
    four = np.arange(4, dtype=np.uint64)
    each = np.stack([draws.integers(draws.view_keys(0, four, epoch, 0), 0, 0, highs) for epoch in range(99)])
    assert (each < highs).all() and (each >= 0).all() and (each[:, 0] == 0).all() and each[:, 3].max() > 900


def test_no_overflow_warning_is_raised():
    with np.errstate(all="raise"):
        drawn = draws.uniform(draws.view_keys(2**63, np.array([2**64 - 1], np.uint64), 2**40, 7), 150)
    assert 0 <= drawn[0] < 1
