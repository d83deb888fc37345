"""The Markdown page that goes with a version: what the model is, why it was blessed, how to use it.

It says only what the evidence holds; what is not known is left out.
"""

from collections.abc import Mapping
from typing import Any

from components.contracts import evidence, signatures

_SIGNATURES = (
    (signatures.EMBED, "8-bit JPEG or PNG bytes", "representation, float32"),
    (signatures.SERVING_DEFAULT, "8-bit JPEG or PNG bytes", "the same as `embed`"),
    (signatures.PROJECT, "8-bit JPEG or PNG bytes", "`projection`, float32: what pretraining compared"),
    (signatures.CLASSIFY, "8-bit JPEG or PNG bytes", "`classes` and `scores`"),
    (signatures.EMBED_PIXELS, "uint8 pixels", "representation, float32"),
)
_LONGEST_LIST = 50


def model_card(
    model_name: str, number: int, verdict: Mapping[str, Any], facts: Mapping[str, Any], decoding: Mapping[str, Any]
) -> str:
    """Describe one version.

    Args:
        model_name: name of the model in the registry.
        number: version.
        verdict: content of the blessing's verdict file, see ``contracts.evidence``.
        facts: what the SavedModel says about itself, see ``contracts.signatures``.
        decoding: ``image_files.decoding_settings``.

    Returns:
        Markdown.
    """
    sections = [
        f"# {_plain(model_name)}, version {number}",
        "An image encoder pretrained with SimCLR on images without their labels, and a linear classifier trained on "
        "its representations.",
        _section("Verdict", _verdict_lines(verdict)),
        _section("Checks on the test split", _check_lines(verdict)),
        _section("What it reads and gives", _model_lines(facts)),
        _section("How to use it", _usage_lines(model_name)),
        _section("Image files", _value_lines(decoding)),
        _section("Limits", _limit_lines()),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _section(title: str, lines: list[str]) -> str:
    return "\n".join([f"## {title}", "", *lines]) if lines else ""


def _verdict_lines(verdict: Mapping[str, Any]) -> list[str]:
    lines = [f"**{_plain(str(verdict.get(evidence.VERDICT)))}**: {_plain(str(verdict.get(evidence.REASON)))}"]
    baseline = verdict.get(evidence.BASELINE)
    if baseline:
        lines += ["", "Compared with the model:", "", *_value_lines(baseline)]
    warnings = [f"- {_plain(warning)}" for warning in verdict.get(evidence.WARNINGS) or []]
    return lines + (["", "Warnings:", "", *warnings] if warnings else [])


def _check_lines(verdict: Mapping[str, Any]) -> list[str]:
    rows = [
        f"| {_plain(check[evidence.NAME])} | {_optional(check.get(evidence.VALUE))} "
        f"| {_optional(check.get(evidence.THRESHOLD))} | {'met' if check[evidence.PASSED] else 'not met'} |"
        for check in verdict.get(evidence.CHECKS) or []
    ]
    return ["| check | found | threshold | outcome |", "|---|---|---|---|", *rows] if rows else []


def _model_lines(facts: Mapping[str, Any]) -> list[str]:
    table = [f"| `{name}` | {given} | {returned} |" for name, given, returned in _SIGNATURES]
    rest = {key: value for key, value in facts.items() if key != "signatures"}
    return ["| signature | input | output |", "|---|---|---|", *table, "", *_value_lines(rest)]


def _usage_lines(model_name: str) -> list[str]:
    return [
        "```python",
        "from components.export.consumer import load_encoder",
        "",
        f'encoder = load_encoder("<registry>/{model_name}")  # the blessed version',
        'vectors = encoder.embed(["image.jpg"])  # (1, d) float32',
        "```",
        "",
        f"To train it further with Keras alone, load `{signatures.ENCODER_FILE}` of this version: it takes float32 "
        "pixels from 0 to 255 and standardises them itself. Crop and resize images as the signatures do: the central "
        "square, its side the `center crop fraction` of the short side, bilinear with anti-aliasing to `size px`.",
    ]


def _limit_lines() -> list[str]:
    return [
        "- The signatures read 8-bit JPEG and PNG bytes and ignore orientation tags. Other files (EXIF orientation, "
        "CMYK, 16 bit, transparency, other formats) need `load_encoder`, which decodes them as ingestion did.",
        "- The numbers above hold for images like those of the test split, and for nothing else.",
    ]


def _value_lines(values: Mapping[str, Any], depth: int = 0) -> list[str]:
    """A nested bullet list; long lists are counted instead of listed."""
    lines = []
    for key, value in values.items():
        label = f"{'  ' * depth}- {_plain(key.replace('_', ' '))}:"
        if isinstance(value, Mapping):
            lines += [label, *_value_lines(value, depth + 1)] if value else []
        elif isinstance(value, (list, tuple)):
            lines.append(f"{label} {_listed(value)}")
        elif value is not None:
            lines.append(f"{label} {_scalar(value)}")
    return lines


def _listed(values: list | tuple) -> str:
    if len(values) > _LONGEST_LIST:
        return f"{len(values)} values"
    return ", ".join(_scalar(value) for value in values) or "none"


def _optional(value: Any) -> str:
    return "" if value is None else _scalar(value)


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else _plain(str(value))


def _plain(text: str) -> str:
    """``text`` on one line, with what Markdown or HTML would interpret made harmless."""
    escaped = "".join(f"\\{character}" if character in "\\`*[]|#" else character for character in text)
    return " ".join(escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").split())
