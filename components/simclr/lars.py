"""LARS, the optimiser of SimCLR with large batches: it scales the step of each kernel to the norm of the kernel."""

from collections.abc import Sequence

import keras
from keras import ops

from components.simclr.methods.similarities import Tensor


class LARS(keras.optimizers.Optimizer):
    """SGD with momentum and a learning rate of its own for each kernel.

    For a kernel w with gradient g: ``g += decay * w``; ``ratio = eta * |w| / |g|``, 1 where a norm is 0;
    ``v = momentum * v + rate * ratio * g``; ``w -= v``. The rate is inside the momentum buffer, as in the authors'
    code, so that a change of the rate acts on new gradients only. Other variables (BatchNorm, biases) have ratio 1.

    Args:
        learning_rate: number or schedule.
        unadapted: the variables that are no kernels, as objects and not by name.
        momentum: 0 to 1.
        l2: decay, added to the gradient before its norm is taken; Keras' ``weight_decay`` is another, decoupled one.
        trust_coefficient: eta.
        decays_unadapted: whether the ``unadapted`` variables decay too.

    Source: You et al. 2017, algorithm 1; the authors of SimCLR, ``lars_optimizer.py`` (classic momentum).
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule,
        unadapted: Sequence[keras.Variable],
        momentum: float,
        l2: float,
        trust_coefficient: float,
        decays_unadapted: bool = False,
        name: str = "lars",
    ):
        super().__init__(learning_rate=learning_rate, name=name)
        self._unadapted = list(unadapted)
        self._momentum, self._l2 = momentum, l2
        self._trust_coefficient, self._decays_unadapted = trust_coefficient, decays_unadapted

    def build(self, variables: list[keras.Variable]) -> None:
        """Create one momentum buffer per variable.

        Raises:
            ValueError: an unadapted variable is not among ``variables``.
        """
        if self.built:
            return
        super().build(variables)
        self._velocities = [self.add_variable_from_reference(variable, name="velocity") for variable in variables]
        self._unadapted_indices = {self._get_variable_index(variable) for variable in self._known(variables)}

    def update_step(self, gradient: Tensor, variable: keras.Variable, learning_rate: Tensor) -> None:
        """Move one variable; called by Keras."""
        index = self._get_variable_index(variable)
        is_adapted = index not in self._unadapted_indices
        gradient = ops.cast(gradient, variable.dtype)
        if self._l2 and (is_adapted or self._decays_unadapted):
            gradient = gradient + self._l2 * variable
        rate = ops.cast(learning_rate, variable.dtype)
        if is_adapted:
            rate = rate * self._ratio(variable, gradient)
        velocity = self._velocities[index]
        self.assign(velocity, self._momentum * velocity + rate * gradient)
        self.assign_sub(variable, velocity)

    def _ratio(self, variable: keras.Variable, gradient: Tensor) -> Tensor:
        weight_norm = ops.sqrt(ops.sum(ops.square(variable)))
        gradient_norm = ops.sqrt(ops.sum(ops.square(gradient)))
        is_usable = ops.logical_and(weight_norm > 0, gradient_norm > 0)
        ratio = self._trust_coefficient * weight_norm / ops.where(is_usable, gradient_norm, 1.0)
        return ops.where(is_usable, ratio, 1.0)

    def _known(self, variables: list[keras.Variable]) -> list[keras.Variable]:
        known = {id(variable) for variable in variables}
        strangers = [variable.path for variable in self._unadapted if id(variable) not in known]
        if strangers:
            raise ValueError(f"LARS got unadapted variables that it does not train: {strangers}")
        return self._unadapted
