"""Anomalies as sentences: what TFDV found, on a page people can read."""

import os
from collections.abc import Mapping

from tensorflow_metadata.proto.v0 import anomalies_pb2

from components.contracts.plain_text import escape_markdown

# Environment variable with the command that accepts this run's data. A run sets it, because only the run knows its work
# directory or the name of its pipeline on a cluster.
ACCEPT_VARIABLE = "SIMCLR_ACCEPT_COMMAND"


def sentences(anomalies: Mapping[str, anomalies_pb2.Anomalies]) -> list[str]:
    """One sentence per anomaly.

    Args:
        anomalies: by split.

    Returns:
        Sentences that name split, feature, what was expected and what was found; empty where all is well.
    """
    found = []
    for split, result in sorted(anomalies.items()):
        for feature, info in sorted(result.anomaly_info.items()):
            found.append(f"split {split}, feature {feature}: {info.short_description}. {info.description}".strip())
        if result.HasField("dataset_anomaly_info"):
            found.append(f"split {split}: {result.dataset_anomaly_info.description}")
        if result.data_missing:
            found.append(f"split {split}: no data")
    return found


def page(found: list[str]) -> str:
    """Markdown that lists the sentences and says what to do."""
    lines = [f"- {escape_markdown(sentence)}" for sentence in found]
    return "\n".join(["# Anomalies in the new data", "", *lines, "", _remedy(), ""])


def error_message(found: list[str], page_uri: str) -> str:
    """The sentence a stopped run ends with."""
    return (
        f"{len(found)} {'anomaly' if len(found) == 1 else 'anomalies'} in the new data, so nothing is trained on it: "
        f"{'; '.join(found[:5])}{' …' if len(found) > 5 else ''} The page {page_uri} lists all. {_remedy()}"
    )


def _remedy() -> str:
    command = os.environ.get(ACCEPT_VARIABLE, "simclr schema accept")
    return (
        "If the data is wrong, mend it and run again. If the data is right and the world has changed, look at this "
        f"page, then run `{command}`, and run again."
    )
