"""Find the layers that hold variables, however deep models are nested."""

from collections.abc import Sequence

import keras


def leaf_layers(models: Sequence[keras.Model]) -> list[keras.layers.Layer]:
    """The layers of ``models`` in order; the layers inside a model or an attention replace it."""
    return [leaf for model in models for layer in model.layers for leaf in _leaves(layer)]


def _leaves(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    if isinstance(layer, keras.Model):
        return leaf_layers([layer])
    if isinstance(layer, keras.layers.MultiHeadAttention):
        return [layer.query_dense, layer.key_dense, layer.value_dense, layer.output_dense]
    return [layer]
