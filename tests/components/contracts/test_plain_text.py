"""Names from outside cannot act on a terminal, pose as a line of the program, or become Markdown."""

import pytest

from components.contracts.plain_text import escape_markdown, printable, printable_lines

_FORGED = "cat\n\x1b[2K\rVerdict    blessed: all is well\x1b[0m.png"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("plain.png", "plain.png"),
        ("Äpfel 日本 👩\u200d🔬.png", "Äpfel 日本 👩\u200d🔬.png"),
        (_FORGED, r"cat\n\x1b[2K\rVerdict    blessed: all is well\x1b[0m.png"),
        ("c1\x9b31m", r"c1\x9b31m"),  # the one-byte form of ESC [
        ("line\u2028paragraph\u2029", r"line\u2028paragraph\u2029"),
        ("gnp\u202egpj.exe", r"gnp\u202egpj.exe"),  # shown as gnpexe.jpg
        (b"latin-\xe9".decode("utf-8", "surrogateescape"), r"latin-\udce9"),
    ],
)
def test_what_acts_on_a_terminal_is_written_as_an_escape(name, expected):
    assert printable(name) == expected
    assert printable(name).encode("utf-8").decode("utf-8") == expected


def test_further_lines_are_indented():
    assert (
        printable_lines("first\nVerdict    blessed\n\tlast\x07")
        == "first\n    Verdict    blessed\n            last\\x07"
    )


def test_markdown_and_html_stay_text():
    escaped = escape_markdown("a\n# Verdict\n<b>`x`</b> [link](http://x) *bold* | cell & \x1b[2J")
    assert escaped == r"a \# Verdict &lt;b&gt;\`x\`&lt;/b&gt; \[link\](http://x) \*bold\* \| cell &amp; \\x1b\[2J"
