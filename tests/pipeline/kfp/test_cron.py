import pytest

from components.contracts.configuration import ConfigError
from pipeline.kfp import cron


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("30 2 * * *", "0 30 2 * * *"),
        ("*/15 8-18 1,15 JAN-mar MON-FRI", "0 */15 8-18 1,15 JAN-mar MON-FRI"),
        ("7 7 7 7 1,7", "0 7 7 7 7 1,0"),
        ("0 0 * * 5-7", "0 0 0 * * 5,6,0"),
        ("0 0 * * 1-7/2", "0 0 0 * * 1,3,5,0"),
        ("0 0 * * */7", "0 0 0 * * */7"),
        ("0 0 * * 8", "0 0 0 * * 8"),  # for the server to refuse
    ],
)
def test_five_fields_become_six(given, expected):
    assert cron.with_seconds(given) == expected


@pytest.mark.parametrize(("given", "count"), [("0 30 2 * * *", 6), ("daily", 1)])
def test_another_number_of_fields_is_refused(given, count):
    with pytest.raises(ConfigError, match=rf"expected five fields \(minute, .*, found {count}"):
        cron.with_seconds(given)
