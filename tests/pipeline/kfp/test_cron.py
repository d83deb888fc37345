import pytest

from components.contracts.configuration import ConfigError
from pipeline.kfp import cron


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("30 2 * * *", "0 30 2 * * *"),
        ("*/15 8-18 1,15 JAN-mar MON-FRI", "0 */15 8-18 1,15 1-3 1-5"),
        ("0 0 * * 7", "0 0 0 * * 0"),
        ("0 0 * * sun", "0 0 0 * * 0"),
        ("0 0 * * 5-7", "0 0 0 * * 5,6,0"),
        ("0 0 * * 1-7/2", "0 0 0 * * 1,3,5,0"),
    ],
)
def test_five_fields_become_six(given, expected):
    assert cron.with_seconds(given) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("0 30 2 * * *", "expected five fields .*, found 6"),
        ("daily", "found 1"),
        ("60 * * * *", "minute: expected 0 to 59, found '60'"),
        ("* 24 * * *", "hour: expected 0 to 23"),
        ("* * 0 * *", "day of the month: expected 1 to 31"),
        ("* * * 13 *", "month: expected 1 to 12"),
        ("* * * * 8", "day of the week: expected 0 to 7"),
        ("* * * * LUN", "day of the week: expected 0 to 7, found 'LUN'"),
        ("*/0 * * * *", r"minute: can't read '\*/0'"),
        ("*-5 * * * *", r"minute: can't read '\*-5'"),
        ("30-10 * * * *", "minute: 30-10 goes backwards"),
        ("1, * * * *", "minute: can't read '1,'"),
    ],
)
def test_what_is_no_cron_expression_is_refused(given, message):
    with pytest.raises(ConfigError, match=message):
        cron.with_seconds(given)
