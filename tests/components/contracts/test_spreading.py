import apache_beam as beam
from apache_beam.testing.util import assert_that, equal_to

from components.contracts.spreading import spread


def test_every_element_comes_once_with_its_number():
    with beam.Pipeline(argv=["--runner=FnApiRunner"]) as pipeline:
        numbered = spread(pipeline, str.split, "cat dog cat") | beam.MapTuple(lambda number, found: (number, *found))
        assert_that(numbered, equal_to([(0, "cat"), (1, "dog"), (2, "cat")]))


def test_nothing_to_spread():
    with beam.Pipeline(argv=["--runner=FnApiRunner"]) as pipeline:
        assert_that(spread(pipeline, list, []), equal_to([]))
