import numpy as np
import pytest

from components.ingestion.decoding.white_level import DeepImages, add_deep_images, bits_of, to_8_bit


@pytest.mark.parametrize(("largest", "bits"), [(0, 8), (255, 8), (256, 10), (2047, 11), (2048, 12), (4095, 12),
                                               (10000, 14), (16384, 16), (65535, 16)])  # fmt: skip
def test_bits_that_a_value_needs(largest, bits):
    assert bits_of(largest) == bits


@pytest.mark.parametrize("white", [1, 255, 1000, 4095, 65535])
def test_values_become_255ths_of_white(white):
    values = np.arange(65536, dtype=np.uint16).reshape(16, -1)
    exact = np.minimum(values, white) * (255 / white)
    assert np.abs(to_8_bit(values, white) - exact).max() <= 0.5
    assert to_8_bit(np.full((3, 1), white, np.uint16), white).tolist() == [[255]] * 3


def test_deep_images_add_up_in_any_order():
    nothing = DeepImages()
    dark, bright = nothing.with_value(1000).with_value(4000), nothing.with_value(900)
    assert add_deep_images(dark, bright) == add_deep_images(bright, dark) == DeepImages({"10": 2, "12": 1}, 4000)
    assert (nothing.number, nothing.white, dark.white, bright.white) == (0, 65535, 4095, 1023)
