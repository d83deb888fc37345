"""Markup from Python values: elements whose texts and attributes are always escaped."""

from collections.abc import Iterable

from markupsafe import Markup, escape

Child = str | Markup


def element(tag: str, *children: Child, **attributes: object) -> Markup:
    """One element.

    Args:
        tag: name of the element, trusted.
        children: texts, which are escaped, and ``Markup``, which is not.
        attributes: ``class_`` becomes ``class``, other underscores become hyphens; numbers are rounded to two decimals;
            None leaves the attribute out.
    """
    named = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(_text(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{tag}{named}>{join(children)}</{tag}>")


def join(children: Iterable[Child]) -> Markup:
    """The children one after the other, texts escaped."""
    return Markup("").join(children)


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return str(value)
