"""The projection head has the configured depth and widths, and the right layers in between."""

import itertools

import keras
import numpy as np
import pytest

from components.simclr.config import ProjectionHeadConfig
from components.simclr.encoders.encoder import num_parameters, weights_digest
from components.simclr.encoders.projection_head import build_projection_head, keep_head_layers


@pytest.mark.parametrize("layers", [1, 2, 3, 4])
def test_depth_and_parameter_count(layers):
    head = build_projection_head(ProjectionHeadConfig(layers=layers, hidden_width=32, output_width=16), 64)
    widths = [64, *[32] * (layers - 1), 16]
    kernels = sum(a * b for a, b in itertools.pairwise(widths))
    gains_and_shifts = 2 * 32 * (layers - 1) + 16  # the last BatchNorm has no shift
    assert num_parameters(head) == kernels + gains_and_shifts
    assert head.output_shape == (None, 16)
    assert sum(isinstance(n, keras.layers.ReLU) for n in head.layers) == layers - 1


def test_no_layers_give_back_the_representation():
    head = build_projection_head(ProjectionHeadConfig(layers=0), 64)
    values = np.random.default_rng(0).normal(size=(3, 64)).astype(np.float32)
    np.testing.assert_array_equal(np.asarray(head(values)), values)
    assert num_parameters(head) == 0


def test_hidden_width_defaults_to_the_representation():
    head = build_projection_head(ProjectionHeadConfig(layers=2, output_width=8), 40)
    assert [n.units for n in head.layers if isinstance(n, keras.layers.Dense)] == [40, 8]


def test_final_batch_norm_is_optional():
    with_norm, without = (
        build_projection_head(ProjectionHeadConfig(layers=2, final_batch_norm=wanted), 16) for wanted in (True, False)
    )
    count = lambda head: sum(isinstance(n, keras.layers.BatchNormalization) for n in head.layers)  # noqa: E731
    assert (count(with_norm), count(without)) == (2, 1)
    assert not any(n.use_bias for n in with_norm.layers if isinstance(n, keras.layers.Dense))


def test_seeds_and_types():
    config = ProjectionHeadConfig(layers=3, hidden_width=24)
    digests = [weights_digest(build_projection_head(config, 24, seed)) for seed in (0, 0, 1)]
    assert digests[0] == digests[1] != digests[2]
    hidden = [np.asarray(n.kernel) for n in build_projection_head(config, 24).layers if hasattr(n, "kernel")]
    assert not np.array_equal(hidden[0], hidden[1])
    mixed = build_projection_head(config, 24, 0, "mixed_bfloat16")
    assert weights_digest(mixed) == digests[0]


def kept_and_rest(kept_layers: int, layers: int = 3) -> tuple[keras.Model, keras.Model]:
    config = ProjectionHeadConfig(layers=layers, hidden_width=24, output_width=8, kept_layers=kept_layers)
    pixels = keras.Input((4, 4, 1))
    encoder = keras.Model(pixels, keras.layers.Flatten()(pixels), name="flat")
    return keep_head_layers(encoder, config, seed=3), build_projection_head(config, 16, seed=3)


@pytest.mark.parametrize("kept_layers", [1, 2])
def test_what_is_kept_changes_no_projection(kept_layers):
    """Kept layers only move the cut: in training, encoder and head together do the same, weight for weight."""
    pixels = np.random.default_rng(0).normal(size=(6, 4, 4, 1)).astype(np.float32)
    (encoder, whole), (kept, rest) = kept_and_rest(0), kept_and_rest(kept_layers)
    for training in (True, False):
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(rest(kept(pixels, training=training), training=training)),
            keras.ops.convert_to_numpy(whole(encoder(pixels), training=training)),
        )
    assert num_parameters(kept) + num_parameters(rest) == num_parameters(whole)


def test_a_kept_layer_includes_its_batch_norm_and_activation():
    kept, rest = kept_and_rest(1)
    names = [type(layer).__name__ for layer in kept.layers]
    assert names == ["InputLayer", "Flatten", "Dense", "BatchNormalization", "ReLU"]
    assert kept.output_shape == rest.input_shape == (None, 24)
    pixels = np.random.default_rng(0).normal(size=(64, 4, 4, 1)).astype(np.float32)
    hidden = pixels.reshape(64, 16) @ np.asarray(kept.layers[2].kernel)
    expected = np.maximum((hidden - hidden.mean(0)) / np.sqrt(hidden.var(0) + 1e-5), 0)
    np.testing.assert_allclose(kept(pixels, training=True), expected, rtol=1e-3, atol=1e-4)


def test_nothing_kept_is_the_encoder_itself():
    kept, rest = kept_and_rest(0)
    assert kept.output_shape == rest.input_shape == (None, 16)
    assert [type(layer).__name__ for layer in kept.layers] == ["InputLayer", "Flatten"]


@pytest.mark.parametrize(("layers", "kept_layers"), [(0, 1), (1, 1), (2, 2), (2, 3)])
def test_the_projection_itself_cannot_be_kept(layers, kept_layers):
    with pytest.raises(ValueError, match=rf"kept_layers \({kept_layers}\) must be less than layers \({layers}\)"):
        ProjectionHeadConfig(layers=layers, kept_layers=kept_layers)
