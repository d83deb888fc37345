"""The Markdown page that goes with a version: what the model is, why it was blessed, how to use it.

It says only what the evidence holds; what is not known is left out.
"""

from collections.abc import Mapping
from typing import Any

from components.contracts import signatures

_SIGNATURES = (
    (signatures.EMBED, "8-bit JPEG or PNG bytes", "representation, float32"),
    (signatures.SERVING_DEFAULT, "8-bit JPEG or PNG bytes", "the same as `embed`"),
    (signatures.CLASSIFY, "8-bit JPEG or PNG bytes", "`classes` and `scores`"),
    (signatures.EMBED_PIXELS, "uint8 pixels", "representation, float32"),
)


def model_card(
    model_name: str,
    number: int,
    content_digest: str,
    verdict: Mapping[str, Any],
    model_facts: Mapping[str, Any],
    image_facts: Mapping[str, Any],
) -> str:
    """Describe one version.

    Args:
        model_name: name of the model in the registry.
        number: version.
        content_digest: identity of the model.
        verdict: content of the blessing's verdict file; may be empty.
        model_facts: what was stored beside the SavedModel when it was made; may be empty.
        image_facts: the image config; may be empty.

    Returns:
        Markdown.
    """
    sections = [
        f"# {model_name}, version {number}",
        f"An image encoder pretrained with SimCLR, with a linear classifier on top. Content digest `{content_digest}`.",
        _section("Verdict", _verdict_lines(verdict)),
        _section("Input", _fact_lines(image_facts)),
        _section("Signatures", _signature_lines()),
        _section("Facts stored with the model", _fact_lines(model_facts)),
        _section("Limits", _limit_lines()),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _section(title: str, lines: list[str]) -> str:
    return "\n".join([f"## {title}", "", *lines]) if lines else ""


def _verdict_lines(verdict: Mapping[str, Any]) -> list[str]:
    return _fact_lines(verdict)


def _signature_lines() -> list[str]:
    rows = [f"| `{name}` | {given} | {returned} |" for name, given, returned in _SIGNATURES]
    return ["| signature | input | output |", "|---|---|---|", *rows]


def _limit_lines() -> list[str]:
    return [
        "- The signatures read 8-bit JPEG and PNG bytes and ignore orientation tags. Other files (EXIF orientation, "
        "CMYK, 16 bit, other formats) go through `components.export.consumer.load_encoder`, which decodes them as "
        "ingestion did.",
        "- The numbers above hold for images like those of the test split, and for nothing else.",
    ]


def _fact_lines(facts: Mapping[str, Any], depth: int = 0) -> list[str]:
    """A nested bullet list; long lists of values are counted instead of listed."""
    lines = []
    for key, value in facts.items():
        label = f"{'  ' * depth}- {_plain(key.replace('_', ' '))}:"
        if isinstance(value, Mapping):
            lines += [label, *_fact_lines(value, depth + 1)] if value else []
        elif isinstance(value, (list, tuple)):
            lines.append(f"{label} {_listed(value)}")
        elif value is not None:
            lines.append(f"{label} {_scalar(value)}")
    return lines


def _listed(values: list | tuple) -> str:
    if any(isinstance(value, (Mapping, list, tuple)) for value in values) or len(values) > 50:
        return f"{len(values)} entries"
    return ", ".join(_scalar(value) for value in values) or "none"


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else _plain(str(value))


def _plain(text: str) -> str:
    """``text`` on one line, with what Markdown or HTML would interpret made harmless."""
    escaped = "".join(f"\\{character}" if character in "\\`*_[]|#" else character for character in text)
    return " ".join(escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").split())
