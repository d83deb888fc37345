"""Text from outside (file names, labels, messages of libraries) made harmless for a terminal, a log file or Markdown.

A file name may hold a line break and the codes that move the cursor, so that it could pose as a line of this program.
"""

import unicodedata

_ESCAPED_CATEGORIES = frozenset(("Cc", "Cs", "Zl", "Zp"))  # control characters, lone surrogates, line separators
# What reorders the text around it. Other format characters, such as the joiner in an emoji, are harmless.
_REORDERING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_MARKDOWN = frozenset("\\`*[]|#")


def printable(text: str) -> str:
    """``text`` on one line and as valid UTF-8; what would act on a terminal becomes an escape such as ``\\x1b``."""
    return text if text.isascii() and text.isprintable() else "".join(map(_escaped, text))


def printable_lines(text: str, indent: str = "    ") -> str:
    """As ``printable``, but line breaks stay; ``indent`` before every further line shows that it belongs to the first.

    For messages of several lines, such as tracebacks.
    """
    return f"\n{indent}".join(printable(line.expandtabs()) for line in text.split("\n"))


def escape_markdown(text: str) -> str:
    """``text`` on one line, with what Markdown, HTML or a terminal would interpret made harmless."""
    plain = printable(" ".join(text.split()))
    escaped = "".join(f"\\{character}" if character in _MARKDOWN else character for character in plain)
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _escaped(character: str) -> str:
    if unicodedata.category(character) in _ESCAPED_CATEGORIES or character in _REORDERING:
        return character.encode("unicode_escape").decode("ascii")
    return character
