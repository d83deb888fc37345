"""Stateless random numbers: every draw is a function of (seed, image, epoch, view, slot) and of nothing else.

Keys of a whole batch and a slot number go in, one number for each key comes out. There is no generator to create, share
or save. The mixing function is the finaliser of splitmix64.
"""

import string
from collections.abc import Sequence

import numpy as np

_KEY_HEX_CHARACTERS = 16  # 64 bits
_HEX_CHARACTERS = frozenset(string.hexdigits)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio: keeps mix64(0) away from 0
_MULTIPLIER_1 = np.uint64(0xBF58476D1CE4E5B9)
_MULTIPLIER_2 = np.uint64(0x94D049BB133111EB)


def image_keys(digests: Sequence[bytes | str] | np.ndarray) -> np.ndarray:
    """Make keys of images from the first 16 hex characters of their record digests.

    Args:
        digests: n digests of at least 16 hex characters each (``records.DIGEST``).

    Returns:
        (n,) uint64.

    Raises:
        ValueError: a digest is shorter, or not hexadecimal.
    """
    return np.fromiter((_key(digest) for digest in digests), np.uint64, len(digests))


def _key(digest: bytes | str) -> int:
    text = digest.decode("ascii", "replace") if isinstance(digest, bytes) else str(digest)
    head = text[:_KEY_HEX_CHARACTERS]
    if len(head) == _KEY_HEX_CHARACTERS and set(head) <= _HEX_CHARACTERS:
        return int(head, 16)
    raise ValueError(f"a record digest must begin with {_KEY_HEX_CHARACTERS} hex characters, found {text[:80]!r}")


def view_keys(seed: int, keys: np.ndarray, epoch: int | np.ndarray, view: int | np.ndarray) -> np.ndarray:
    """Make keys of views from seed, image, epoch and view number; a change of any of them changes all bits.

    Args:
        seed: any integer of 64 bits.
        keys: (n,) uint64 from ``image_keys``.
        epoch: one number for all, or (n,) integers.
        view: one number for all, or (n,) integers.

    Returns:
        (n,) uint64.

    Source: Salmon et al. 2011, Parallel random numbers: as easy as 1, 2, 3 (numbers from keys and counters).
    """
    mixed = _absorb(_absorb(_words(seed), keys), _words(epoch))
    return _absorb(mixed, _words(view))


def uniform(keys: np.ndarray, slot: int) -> np.ndarray:
    """One number for each key, uniform on [0, 1), independent of the key's numbers in other slots.

    Args:
        keys: (n,) uint64 from ``view_keys``.
        slot: says which of the key's numbers; each use of randomness has a slot of its own.

    Returns:
        (n,) float64 with 53 random bits.

    Source: as ``bits``; the 53 highest bits become the number, as in NumPy's generators.
    """
    return _to_unit(bits(keys, slot))


def bits(keys: np.ndarray, slot: int) -> np.ndarray:
    """64 random bits for each key, (n,) uint64; all other draws are made from them.

    Source: Steele, Lea and Flood 2014, Fast splittable pseudorandom number generators (the finaliser of splitmix64).
    """
    return _absorb(keys, _words(slot))


def bernoulli(keys: np.ndarray, slot: int, probability: float) -> np.ndarray:
    """(n,) bool, True with ``probability``, which may be exactly 0 or 1.

    Source: as ``uniform``.
    """
    return uniform(keys, slot) < probability


def between(keys: np.ndarray, slot: int, low: float | np.ndarray, high: float | np.ndarray) -> np.ndarray:
    """(n,) float64, uniform from ``low`` to ``high``.

    Source: as ``uniform``.
    """
    return low + (high - low) * uniform(keys, slot)


def integers(keys: np.ndarray, slot: int, low: int | np.ndarray, high: int | np.ndarray) -> np.ndarray:
    """(n,) int64, uniform over ``low`` to ``high - 1``; both may be (n,) arrays and are below 2**31.

    Source: as ``uniform``.
    """
    return low + np.floor(uniform(keys, slot) * (np.asarray(high) - low)).astype(np.int64)


def _words(value: int | np.ndarray) -> np.ndarray:
    # At least one axis, because NumPy warns of overflow in scalars but wraps silently in arrays.
    return np.atleast_1d(np.asarray(value)).astype(np.uint64)


def _absorb(state: np.ndarray, word: np.ndarray) -> np.ndarray:
    # Mix the word before it meets the state, so that neighbouring seeds, epochs and slots share no structure.
    return _mix64(state ^ _mix64(word))


def _mix64(value: np.ndarray) -> np.ndarray:
    """Steele, Lea and Flood 2014, splitmix64 with Stafford's constants: a bijection of 64 bits with full avalanche."""
    mixed = value + _GOLDEN
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _MULTIPLIER_1
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _MULTIPLIER_2
    return mixed ^ (mixed >> np.uint64(31))


def _to_unit(words: np.ndarray) -> np.ndarray:
    return (words >> np.uint64(11)) * 2.0**-53
