"""Weights that follow others slowly: the key encoder of MoCo and the target of BYOL.

Trainable weights only: a follower normalises by the statistics of its batch, so its moving ones are never looked at.
"""

import math
from collections.abc import Callable, Sequence

import keras
from keras import ops

from components.simclr.methods.nt_xent import Tensor


def constant_rate(momentum: float) -> Callable[[Tensor], Tensor]:
    """The part of the way that followers go in each step: 1 - ``momentum`` always.

    Args:
        momentum: 0 up to, but not including, 1.

    Source: He et al. 2019, eq. 2.
    """
    return lambda step: ops.cast(1.0 - momentum, "float32")


def cosine_rate(momentum: float, total_steps: int) -> Callable[[Tensor], Tensor]:
    """The part of the way in step k of K: ``(1 - momentum) * (cos(pi k / K) + 1) / 2``, so momentum rises to 1.

    Source: Grill et al. 2020, section 3.2.
    """

    def rate(step: Tensor) -> Tensor:
        progress = ops.minimum(ops.cast(step, "float32") / total_steps, 1.0)
        return (1.0 - momentum) * 0.5 * (1.0 + ops.cos(math.pi * progress))

    return rate


class Followers:
    """Copies of models, equal at first, that move towards them.

    Args:
        leaders: trained models.
        copies: of the same shapes; they take over all weights of the leaders.
        rate: from the number of updates so far, int scalar, to the part of the way, float32 scalar. A rate and not a
            momentum, because float32 holds 0.001 more exactly than 0.999.
    """

    def __init__(self, leaders: Sequence[keras.Model], copies: Sequence[keras.Model], rate: Callable[[Tensor], Tensor]):
        self._leaders, self._copies, self._rate = list(leaders), list(copies), rate
        for leader, copy in zip(self._leaders, self._copies, strict=True):
            copy.set_weights(leader.get_weights())
        self.updates = keras.Variable(0, dtype="int", trainable=False, name="updates")

    def encode(self, pixels: Tensor) -> list[Tensor]:
        """What each copy in turn makes of (n, s, s, c) pixels and its predecessor's output; no gradient flows back."""
        values, outputs = pixels, []
        with keras.StatelessScope():  # the moving statistics stay
            for copy in self._copies:
                values = copy(values, training=True)
                outputs.append(ops.stop_gradient(values))
        return outputs

    def follow(self) -> None:
        """Each trainable weight w of a copy becomes ``w + rate * (leader's - w)``.

        Source: He et al. 2019, eq. 2; Grill et al. 2020, eq. 1.
        """
        rate = self._rate(self.updates.value)
        for leader, copy in zip(self._leaders, self._copies, strict=True):
            for ahead, behind in zip(leader.trainable_variables, copy.trainable_variables, strict=True):
                start = ops.convert_to_tensor(behind)
                behind.assign(start + rate * (ops.convert_to_tensor(ahead) - start))
        self.updates.assign(self.updates.value + 1)

    def state(self, name: str) -> dict[str, Sequence[keras.Variable]]:
        """All variables by kind, every kind beginning with ``name``."""
        weights = [variable for copy in self._copies for variable in copy.variables]
        return {f"{name}_weights": weights, f"{name}_updates": [self.updates]}
