"""The Markdown page that goes with a version: what the model is and is for, how it was made, what it is worth.

It says only what the evidence holds; what is not known is left out.
"""

from collections.abc import Mapping
from typing import Any

from components.contracts import configuration, signatures
from components.contracts.evidence import FeatureKind, FeatureResult, Interval, ProbeReport, VerdictReport
from components.contracts.ingestion_record import IngestionSummary
from components.contracts.model_facts import ModelFacts
from components.contracts.plain_text import escape_markdown
from components.contracts.pretraining_record import PretrainingRecord
from components.export import registry
from components.export.image_files import Decoding
from components.export.version_record import VersionRecord

_SIGNATURES = (
    (signatures.EMBED, "8-bit JPEG or PNG bytes", "representation, float32"),
    (signatures.SERVING_DEFAULT, "8-bit JPEG or PNG bytes", "the same as `embed`"),
    (signatures.PROJECT, "8-bit JPEG or PNG bytes", "`projection`, float32: what pretraining compared"),
    (signatures.CLASSIFY, "8-bit JPEG or PNG bytes", "`classes` and `scores`"),
    (signatures.EMBED_PIXELS, "uint8 pixels", "representation, float32"),
)
_FEATURES = {
    FeatureKind.ENCODER: "this encoder",
    FeatureKind.RANDOM_ENCODER: "the same encoder, untrained",
    FeatureKind.RAW_PIXELS: "raw pixels",
}
_METHODS = {"simclr": "SimCLR", "moco": "MoCo v2", "byol": "BYOL"}
_INTENDED_USE = [
    "To turn images of the kind it was trained on into vectors: for classifiers with few labels, for search by "
    "likeness, for finding duplicates and groups, and as a start for further training. The classifier in it is there "
    "to judge the representations; whether it is good enough to decide anything is for its user to measure.",
]
_LONGEST_LIST = 50
_NOT_SHOWN = ("near_duplicate_pairs", "warnings", "seconds")  # of the data: paths, sentences and clocks


def model_card(model_name: str, number: int, record: VersionRecord, decoding: Decoding, has_tflite: bool) -> str:
    """Describe one version.

    Args:
        model_name: name of the model in the registry.
        number: version; 0 for the candidate.
        record: how it was made and what it is worth.
        decoding: how consumers decode image files.
        has_tflite: whether the version holds a TFLite file.

    Returns:
        Markdown.
    """
    verdict, data = record.verdict, record.data
    method = _METHODS[record.pretraining.plan.method]
    name = registry.CANDIDATE if number == registry.CANDIDATE_NUMBER else f"version {number}"
    sections = [
        f"# {escape_markdown(model_name)}, {name}",
        f"An image encoder pretrained with {method} on images without their labels, and a linear classifier trained on "
        "its representations.",
        _section("Intended use", _INTENDED_USE),
        _section("Results on the test split", _result_lines(record.results, verdict)),
        _section("Verdict", _verdict_lines(verdict)),
        _section("Checks behind the verdict", _check_lines(verdict)),
        _section("Data", _value_lines({"span": record.span, **_shown(data)})),
        _section("Pretraining", _pretraining_lines(record.pretraining)),
        _section("What it reads and gives", _model_lines(record.model)),
        _section("How to use it", _usage_lines(model_name, number, has_tflite)),
        _section("Image files", _value_lines(configuration.to_mapping(decoding))),
        _section("Limits", _limit_lines(data)),
        _section("Made by", _making_lines(record)),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _section(title: str, lines: list[str]) -> str:
    return "\n".join([f"## {title}", "", *lines]) if lines else ""


def _result_lines(results: ProbeReport, verdict: VerdictReport) -> list[str]:
    """A row per kind of features; intervals are over test images, spreads over draws of the labels."""
    fractions = [result.fraction for result in results.encoder.fractions if result.fraction < 1]
    titles = ["linear probe on", "accuracy", "balanced", "kNN", *(f"{100 * f:g} % of the labels" for f in fractions)]
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for kind in [kind for kind in _FEATURES if kind in results.features]:
        found = results.features[kind]
        cells = [_FEATURES[kind], *_accuracy_cells(found), *_fraction_cells(found, fractions)]
        lines.append(f"| {' | '.join(cells)} |")
    images = results.counts.test
    confidence = f"{100 * results.confidence:g} %"
    return [
        *lines,
        "",
        f"{images} test images; in brackets the {confidence} interval over them. Other models blessed on these test "
        f"images before this one: {verdict.test_split.earlier_blessings}.",
    ]


def _accuracy_cells(found: FeatureResult) -> list[str]:
    return [
        _with_interval(found.accuracy, found.accuracy_interval),
        _with_interval(found.balanced_accuracy, found.balanced_accuracy_interval),
        _with_interval(found.knn_accuracy, found.knn_accuracy_interval),
    ]


def _with_interval(value: float, interval: Interval) -> str:
    return f"{value:.3f} ({interval[0]:.3f} to {interval[1]:.3f})"


def _fraction_cells(found: FeatureResult, fractions: list[float]) -> list[str]:
    texts = {result.fraction: f"{result.accuracy_mean:.3f} ± {result.accuracy_std:.3f}" for result in found.fractions}
    return [texts.get(fraction, "") for fraction in fractions]


def _pretraining_lines(pretraining: PretrainingRecord) -> list[str]:
    parts = {
        "chosen by the Tuner": pretraining.tuned,
        "settings": pretraining.config,
        "resolved": configuration.to_mapping(pretraining.plan),
        "last epoch": configuration.to_mapping(pretraining.history[-1]),
    }
    return _value_lines({name: part for name, part in parts.items() if part})


def _making_lines(record: VersionRecord) -> list[str]:
    parts = {"run": record.run, "code digests": record.code_digests, "libraries": record.libraries}
    return [*_value_lines(parts), "", f"All of this, and every setting, is in `{signatures.RECORD_FILE}`."]


def _verdict_lines(report: VerdictReport) -> list[str]:
    lines = [f"**{escape_markdown(report.verdict.value)}**: {escape_markdown(report.reason)}"]
    if report.baseline:
        lines += ["", "Compared with the model:", "", *_value_lines(configuration.to_mapping(report.baseline))]
    warnings = [f"- {escape_markdown(warning)}" for warning in report.warnings]
    return lines + (["", "Warnings:", "", *warnings] if warnings else [])


def _check_lines(report: VerdictReport) -> list[str]:
    rows = [
        f"| {escape_markdown(check.name.value)} | {_optional(check.value)} | {_optional(check.threshold)} "
        f"| {'met' if check.passed else 'not met'} |"
        for check in report.checks
    ]
    return ["| check | found | threshold | outcome |", "|---|---|---|---|", *rows] if rows else []


def _model_lines(facts: ModelFacts) -> list[str]:
    table = [f"| `{name}` | {given} | {returned} |" for name, given, returned in _SIGNATURES]
    rest = {key: value for key, value in configuration.to_mapping(facts).items() if key != "signatures"}
    return ["| signature | input | output |", "|---|---|---|", *table, "", *_value_lines(rest)]


def _usage_lines(model_name: str, number: int, has_tflite: bool) -> list[str]:
    load = f'"<registry>/{model_name}")  # the blessed version'
    if number == registry.CANDIDATE_NUMBER:
        load = f'"<registry>/{model_name}", "{registry.CANDIDATE}")  # it was not blessed'
    lines = [
        "```python",
        "from components.export.consumer import load_encoder",
        "",
        f"encoder = load_encoder({load}",
        'vectors = encoder.embed(["image.jpg"])  # (1, d) float32',
        "```",
        "",
        f"To train it further with Keras alone, load `{signatures.ENCODER_FILE}` of this version: it takes float32 "
        "pixels from 0 to 255 and standardises them itself. Crop and resize images as the signatures do: the central "
        "square, its side the `center crop fraction` of the short side, bilinear with anti-aliasing to `size px`.",
    ]
    if has_tflite:
        lines.append(f"`{signatures.TFLITE_FILE}` is the same model for TFLite, any number of images at once.")
    return lines


def _shown(data: IngestionSummary) -> dict[str, Any]:
    return {key: value for key, value in configuration.to_mapping(data).items() if key not in _NOT_SHOWN}


def _limit_lines(data: IngestionSummary) -> list[str]:
    count = sum(data.records.values())
    return [
        f"- The numbers above hold for images like the {count} of `{escape_markdown(data.root)}`, and for "
        "nothing else: measure again before you use the encoder on images from elsewhere.",
        "- What pretraining treated as the same picture (crops, colours, flips: see the settings) the representation "
        "may not tell apart.",
        "- The signatures read 8-bit JPEG and PNG bytes and ignore orientation tags. Other files (EXIF orientation, "
        "CMYK, 16 bit, transparency, other formats) need `load_encoder`, which decodes them as ingestion did.",
    ]


def _value_lines(values: Mapping[str, Any], depth: int = 0) -> list[str]:
    """A nested bullet list; long lists are counted instead of listed."""
    lines = []
    for key, value in values.items():
        label = f"{'  ' * depth}- {escape_markdown(key.replace('_', ' '))}:"
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
    return f"{value:.6g}" if isinstance(value, float) else escape_markdown(str(value))
