"""NT-Xent on virtual CPU devices, in a process of its own, because devices must be split before TensorFlow starts.

Prints: loss of one device, of all replicas, largest difference of raw gradients, and of weights after one SGD step.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[4]))

import keras
import numpy as np
import tensorflow as tf

from components.simclr.methods import nt_xent, similarities

IMAGES, WIDTH, TEMPERATURE = 28, 10, 0.2


def build_model() -> keras.Model:
    start = keras.initializers.GlorotUniform(seed=3)
    return keras.Sequential(
        [keras.Input((WIDTH,)), keras.layers.Dense(16, "tanh", kernel_initializer=start), keras.layers.Dense(6)]
    )


def gradients_of(model, first, second, replicas):
    with tf.GradientTape() as tape:
        projections = model(tf.concat([first, second], 0))
        contrast = nt_xent.nt_xent(*tf.split(projections, 2), TEMPERATURE, replicas)
    return contrast.loss, tape.gradient(contrast.loss, model.trainable_variables)


def main(count: int) -> None:
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * count)
    generator = np.random.default_rng(0)
    first, second = (generator.normal(size=(IMAGES, WIDTH)).astype(np.float32) for _ in range(2))

    keras.utils.set_random_seed(0)
    alone = build_model()
    weights = alone.get_weights()
    loss, gradients = gradients_of(alone, first, second, nt_xent.ONE_REPLICA)
    keras.optimizers.SGD(0.5).apply(gradients, alone.trainable_variables)

    strategy = tf.distribute.MirroredStrategy([f"/CPU:{index}" for index in range(count)])
    with strategy.scope():
        mirrored = build_model()
        mirrored.set_weights(weights)
        optimizer = keras.optimizers.SGD(0.5)
        optimizer.build(mirrored.trainable_variables)

    def local_step(first, second):
        context = tf.distribute.get_replica_context()
        replicas = nt_xent.Replicas(
            count, context.replica_id_in_sync_group, lambda local: context.all_gather(local, axis=0)
        )
        loss, gradients = gradients_of(mirrored, first, second, replicas)
        optimizer.apply(gradients, mirrored.trainable_variables)
        return loss, gradients

    @tf.function
    def step(first, second):
        loss, gradients = strategy.run(local_step, args=(first, second))
        reduce = lambda value: strategy.reduce(tf.distribute.ReduceOp.SUM, value, axis=None)  # noqa: E731
        return reduce(loss), [reduce(gradient) for gradient in gradients]

    share = IMAGES // count

    def distribute(values):
        return strategy.experimental_distribute_values_from_function(
            lambda c: tf.constant(values[c.replica_id_in_sync_group * share :][:share])
        )

    several_loss, several_gradients = step(distribute(first), distribute(second))
    gradient_difference = max(
        float(np.abs(a.numpy() - b.numpy()).max()) for a, b in zip(gradients, several_gradients, strict=True)
    )
    weight_difference = max(
        float(np.abs(a - b).max()) for a, b in zip(alone.get_weights(), mirrored.get_weights(), strict=True)
    )
    print(float(loss), float(several_loss), gradient_difference, weight_difference)


if __name__ == "__main__":
    similarities._WHOLE_ROWS = similarities._BLOCK_ROWS = int(sys.argv[2])
    main(int(sys.argv[1]))
