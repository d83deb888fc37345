"""Similar representations are neighbours on the map; if there is no map, the page says why."""

import numpy as np
import pytest

from components.report.embedding_map import NoMapError, Point, class_color, lay_out, map_svg


def clusters(count: int = 60, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(1)
    labels = np.arange(count) % classes
    return 10 * np.eye(12)[labels] + generator.normal(size=(count, 12)), labels


def test_images_of_a_cluster_stay_together():
    vectors, labels = clusters()
    places = lay_out(vectors, perplexity=10, seed=0)
    assert places.shape == (60, 2)
    assert places.min() >= 0 and places.max() <= 1
    distances = np.linalg.norm(places[:, None] - places[None], axis=-1)
    np.fill_diagonal(distances, np.inf)
    assert (labels[distances.argmin(axis=1)] == labels).all()


def test_the_map_repeats_and_looks_at_directions_only():
    vectors, _ = clusters()
    first = lay_out(vectors, perplexity=10, seed=0)
    np.testing.assert_array_equal(lay_out(vectors, perplexity=10, seed=0), first)
    np.testing.assert_allclose(lay_out(vectors * np.linspace(1, 9, 60)[:, None], 10, 0), first, atol=0.2)


def test_few_images_and_one_dimension_work():
    vectors = np.random.default_rng(0).normal(size=(6, 1)) + 0.1
    assert np.isfinite(lay_out(np.hstack([vectors, 1 - vectors]), perplexity=30, seed=0)).all()


@pytest.mark.parametrize(
    ("vectors", "reason"),
    [
        (np.ones((4, 3)), "4 images are too few"),
        (np.full((9, 3), np.nan), "not finite"),
        (np.outer(np.arange(1, 10), np.ones(3)), "collapsed"),
    ],
)
def test_there_is_a_reason_where_there_is_no_map(vectors, reason):
    with pytest.raises(NoMapError, match=reason):
        lay_out(vectors, perplexity=5, seed=0)


def test_colours_differ():
    assert len({class_color(index) for index in range(100)}) == 100


def test_every_image_is_a_dot_of_its_class_and_mistakes_are_ringed():
    points = [Point("cat", "cat", 0), Point("cat", "dog", 1), Point("dog", None, None)]
    svg = str(map_svg(np.array([[0.1, 0.2], [0.5, 0.5], [1.0, 0.0]]), points, ["cat", "dog"]))
    assert svg.count("<circle") == 3
    assert svg.count(f'fill="{class_color(0)}"') == 2 and svg.count(f'fill="{class_color(1)}"') == 1
    assert svg.count('class="wrong"') == 1
    assert "cat, taken for dog" in svg
