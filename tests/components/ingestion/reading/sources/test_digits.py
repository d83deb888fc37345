import numpy as np
from sklearn import datasets

from components.ingestion.config import IngestionConfig
from components.ingestion.reading.plug_ins import open_source


def test_holds_all_digits_spread_over_the_levels_of_gray():
    source = open_source("/nowhere", IngestionConfig(source="digits"))
    images = [image for item in source.items() for image in source.load(item)]
    expected = datasets.load_digits()
    assert len({image.path for image in images}) == len(images) == len(expected.target) == 1797
    assert [image.label for image in images] == [str(label) for label in expected.target]
    assert {image.split for image in images} == {None}
    pixels = np.stack([image.content for image in images])
    assert (pixels.dtype, pixels.min(), pixels.max()) == (np.uint8, 0, 255)
    assert np.abs(pixels - expected.images * 255 / 16).max() <= 0.5
    assert source.fingerprint() == open_source("/elsewhere", IngestionConfig(source="digits")).fingerprint()
