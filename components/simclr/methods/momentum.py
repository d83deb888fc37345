"""Models whose weights slowly follow those of others: the key encoder of MoCo and the target of BYOL.

Only trainable weights follow. A follower normalises by the statistics of its batch and never uses moving statistics.
"""

import math
from collections.abc import Callable, Sequence

import keras
from keras import ops

from components.simclr.methods.similarities import Tensor


def constant_rate(momentum: float) -> Callable[[Tensor], Tensor]:
    """The part of the way that followers go in each step, always 1 - ``momentum``.

    Args:
        momentum: at least 0 and less than 1.

    Source: He et al. 2019, eq. 2.
    """
    return lambda step: ops.cast(1.0 - momentum, "float32")


def cosine_rate(momentum: float, total_steps: int) -> Callable[[Tensor], Tensor]:
    """The part of the way in step k of K: ``(1 - momentum) * (cos(pi k / K) + 1) / 2``; so the momentum rises to 1.

    Source: Grill et al. 2020, section 3.2.
    """

    def rate(step: Tensor) -> Tensor:
        progress = ops.minimum(ops.cast(step, "float32") / total_steps, 1.0)
        return (1.0 - momentum) * 0.5 * (1.0 + ops.cos(math.pi * progress))

    return rate


class Followers:
    """Copies of models that are equal to them at first and then move towards them.

    Args:
        leaders: the trained models.
        copies: models of the same shapes; they get all weights of the leaders.
        rate: takes the number of updates so far, an int scalar, and returns the part of the way, a float32 scalar. It
            is a rate and not a momentum because float32 holds 0.001 more exactly than 0.999.
    """

    def __init__(self, leaders: Sequence[keras.Model], copies: Sequence[keras.Model], rate: Callable[[Tensor], Tensor]):
        self._leaders, self._copies, self._rate = list(leaders), list(copies), rate
        for leader, copy in zip(self._leaders, self._copies, strict=True):
            copy.set_weights(leader.get_weights())
        self.updates = keras.Variable(0, dtype="int", trainable=False, name="updates")

    def encode(self, pixels: Tensor) -> list[Tensor]:
        """Outputs of the copies, one after the other, from (n, s, s, c) pixels; no gradient flows back."""
        values, outputs = pixels, []
        with keras.StatelessScope():  # moving statistics do not change
            for copy in self._copies:
                values = copy(values, training=True)
                outputs.append(ops.stop_gradient(values))
        return outputs

    def follow(self) -> None:
        """Set each trainable weight w of a copy to ``w + rate * (leader's weight - w)``.

        Source: He et al. 2019, eq. 2; Grill et al. 2020, eq. 1.
        """
        rate = self._rate(self.updates.value)
        for leader, copy in zip(self._leaders, self._copies, strict=True):
            for ahead, behind in zip(leader.trainable_variables, copy.trainable_variables, strict=True):
                start = ops.convert_to_tensor(behind)
                behind.assign(start + rate * (ops.convert_to_tensor(ahead) - start))
        self.updates.assign(self.updates.value + 1)

    def state(self, name: str) -> dict[str, Sequence[keras.Variable]]:
        """All variables by kind; the name of each kind begins with ``name``."""
        weights = [variable for copy in self._copies for variable in copy.variables]
        return {f"{name}_weights": weights, f"{name}_updates": [self.updates]}
