"""Variables as named arrays, for checkpoints: groups of variables in, arrays out, and the same arrays back in."""

from collections.abc import Mapping, Sequence

import keras
import numpy as np

Groups = Mapping[str, Sequence[keras.Variable]]  # by kind, such as "encoder"; order within a kind counts


def to_arrays(groups: Groups) -> dict[str, np.ndarray]:
    """The values, by kind and position."""
    return {name: keras.ops.convert_to_numpy(variable) for name, variable in _named(groups).items()}


def assign(groups: Groups, arrays: Mapping[str, np.ndarray]) -> None:
    """Inverse of ``to_arrays``.

    Raises:
        ValueError: the arrays are those of another model or optimiser.
    """
    named = _named(groups)
    found = {name: tuple(array.shape) for name, array in arrays.items()}
    expected = {name: tuple(variable.shape) for name, variable in named.items()}
    if found != expected:
        names = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
        raise ValueError(f"the checkpoint is of another model: {len(names)} variables differ, first {names[:3]}")
    for name, variable in named.items():
        variable.assign(arrays[name])


def _named(groups: Groups) -> dict[str, keras.Variable]:
    return {f"{kind}/{index:05d}": variable for kind, found in groups.items() for index, variable in enumerate(found)}
