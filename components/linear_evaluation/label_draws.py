"""Draws the labels that a classifier may use, and the part of them that judges its L2 strength.

Both are stratified and repeatable. A draw depends only on the seed, the fraction and its number, so every encoder is
probed with the same labels, and differences between encoders are paired.
"""

from collections.abc import Iterator

import numpy as np


def draw_labels(labels: np.ndarray, fraction: float, draw: int, seed: int) -> np.ndarray:
    """Choose a stratified part of the labels, at least one of each class.

    Args:
        labels: (n,) int class indices.
        fraction: in (0, 1].
        draw: number of the draw, 0 upwards.
        seed: of the configuration.

    Returns:
        Ascending indices into ``labels``: max(classes, round(fraction * n)) of them, each class's share rounded by
        largest remainder.
    """
    if fraction == 1:
        return np.arange(len(labels))
    rng = np.random.default_rng([seed, round(fraction * 1_000_000_000), draw])
    chosen = [
        rng.permutation(np.flatnonzero(labels == index))[:count] for index, count in _shares(labels, fraction).items()
    ]
    return np.sort(np.concatenate(chosen))


def _shares(labels: np.ndarray, fraction: float) -> dict[int, int]:
    """Labels per class; each class gets at least one, which the largest classes give up for the smallest."""
    classes, counts = np.unique(labels, return_counts=True)
    exact = counts * fraction
    shares = np.maximum(1, np.floor(exact).astype(int))
    wanted = max(len(classes), round(fraction * len(labels)))
    while shares.sum() < wanted:
        shares[np.argmax(np.where(shares < counts, exact - shares, -np.inf))] += 1
    while shares.sum() > wanted:
        shares[np.argmax(np.where(shares > 1, shares - exact, -np.inf))] -= 1
    return dict(zip(classes.tolist(), shares.tolist(), strict=True))


def held_out_parts(
    labels: np.ndarray, groups: np.ndarray, held_out_fraction: float, min_images: int, seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Split drawn labels into a fitting part and a held-out part, several times if one part would be too small.

    The held-out parts are disjoint and stratified. A group is never divided. Each class keeps at least one label in the
    fitting part, so a class with a single label, or with all its labels in one group, is never held out.

    Args:
        labels: (m,) int class indices of one draw.
        groups: (m,) equal for images that belong together; for the strata, a group counts as its first image.
        held_out_fraction: size of one held-out part, in groups, in (0, 0.5].
        min_images: parts follow until this many labels have been held out in all, or none is left.
        seed: of the configuration.

    Yields:
        Two ascending arrays of indices into ``labels``: fitting and held-out; nothing if each class has one label.
    """
    rng = np.random.default_rng([seed, len(labels)])
    parts = round(1 / held_out_fraction)
    _, first_rows, group_of_row = np.unique(groups, return_index=True, return_inverse=True)
    group_labels = labels[first_rows]
    order = [rng.permutation(np.flatnonzero(group_labels == index)) for index in np.unique(group_labels)]
    eligible = np.concatenate([np.empty(0, int), *(members for members in order if len(members) > 1)])
    judged = 0
    for part in range(min(parts, len(eligible))):
        # Neighbours in `eligible` fall into different parts.
        is_held_out = _spare_last_labels(np.isin(group_of_row, eligible[part::parts]), labels, group_of_row)
        held_out = np.flatnonzero(is_held_out)
        if not len(held_out):
            continue
        yield np.flatnonzero(~is_held_out), held_out
        judged += len(held_out)
        if judged >= min_images:
            return


def _spare_last_labels(is_held_out: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """(m,) bool without the groups that would take the last label of a class out of the fitting part."""
    lost = np.setdiff1d(labels, labels[~is_held_out])
    return is_held_out & ~np.isin(groups, groups[np.isin(labels, lost)])
