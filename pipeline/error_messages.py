"""The sentence for people that an exception carries, without what Beam wraps around it.

An exception that was raised ``from`` another has the better sentence: it names file, key or step. So nothing but Beam's
own wrapping is taken off.
"""

import re

_BEAM_STEP = " [while running "
_BEAM_TAG = "_tagged_with_step"  # Beam sets it on each exception that it makes from that of a step
_TRACEBACK = "Traceback (most recent call last):"
_CLASS = re.compile(r"^[A-Za-z_][\w.]*: ")
# The message of these says little without the name of the class; a sentence for people comes in other classes.
_TERSE = (ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, NameError, TypeError)


def sentence(error: BaseException) -> str:
    """What ``error`` says, or the name of its class if it says nothing."""
    original = _without_beam(error)
    if isinstance(original, OSError) and original.filename is not None and original.strerror:
        return f"{original.filename}: {original.strerror}"
    text = _without_traceback(str(original).partition(_BEAM_STEP)[0])
    if type(original).__module__ == "builtins" and isinstance(original, _TERSE):
        return f"{type(original).__name__}: {text}"
    return text or type(original).__name__


def _without_beam(error: BaseException) -> BaseException:
    """The exception of a step: Beam makes another of the same class, or a RuntimeError, while it handles the first."""
    first = error.__context__
    return first if getattr(error, _BEAM_TAG, False) and first is not None and str(first) in str(error) else error


def _without_traceback(text: str) -> str:
    """The last message in a traceback: a worker of another process sends its exception as text."""
    if _TRACEBACK not in text:
        return text
    lines = text.rstrip().split("\n")
    last = max((at for at, line in enumerate(lines) if line.startswith("  ")), default=-1)
    return _CLASS.sub("", "\n".join(lines[last + 1 :]))
