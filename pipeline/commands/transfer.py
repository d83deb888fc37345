"""``simclr transfer segmentation``: measures an encoder on segmentation. Imports lazily, as ``cli`` does."""

import argparse
import json
import logging
import os
import pathlib
import sys
from typing import TYPE_CHECKING, Any

from pipeline.commands import command_line

if TYPE_CHECKING:
    from components.transfer.segmentation import PushedEncoder


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``transfer`` and its actions."""
    parser = commands.add_parser("transfer", help="Measure a registered encoder on other tasks.")
    actions = parser.add_subparsers(title="tasks", required=True, metavar="TASK")
    action = command_line.add_command(
        actions,
        "segmentation",
        _segmentation,
        "Train a small head on the frozen encoder, and another on the same encoder with random weights.",
    )
    action.add_argument(
        "data", type=pathlib.Path, help="folder with images/ and masks/, or with train/ and test/ that have both"
    )
    command_line.add_model(action)
    action.add_argument("--output", type=pathlib.Path, help="JSON file for the numbers")
    command_line.add_overrides(
        action, "override one setting of components/transfer/config.py, such as epochs=20; may be repeated"
    )


def _segmentation(arguments: argparse.Namespace) -> int:
    from components.contracts import configuration
    from components.transfer.config import SegmentationConfig
    from pipeline.overrides import override

    config = configuration.from_mapping(SegmentationConfig, override({}, arguments.overrides), "--set")
    if arguments.output and not arguments.output.parent.is_dir():
        raise FileNotFoundError(f"{arguments.output}: there is no folder {arguments.output.parent}")
    command_line.silence_libraries()
    from components.contracts import progress
    from components.transfer import segmentation
    from pipeline.local.console import Console, show_progress

    logging.getLogger(progress.LOGGER_NAME).setLevel(logging.INFO)
    console = Console(os.dup(sys.stderr.fileno()))
    with show_progress(console, on_start=lambda node: None, on_finish=lambda node: None):
        encoder, identity = _load(*command_line.find_model(arguments))
        result = identity | segmentation.measure(encoder, arguments.data, config)
    console.line()
    if arguments.output:
        arguments.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(f"version {identity['version']} of {arguments.model}\n{segmentation.text(result)}\n")
    return 0


def _load(model: str, name: str) -> "tuple[PushedEncoder, dict[str, Any]]":
    """The encoder for ``segmentation.measure``, and its version."""
    import keras
    import numpy as np

    from components.contracts import configuration, signatures
    from components.contracts.record_files import read_record
    from components.export.consumer import load_encoder
    from components.export.version_record import VersionRecord
    from components.simclr.config import EncoderConfig
    from components.transfer.segmentation import PushedEncoder

    loaded = load_encoder(model, name)
    path = str(loaded.folder / signatures.RECORD_FILE)
    settings = read_record(VersionRecord, path).settings["pretraining"]["encoder"]
    encoder = PushedEncoder(
        model=keras.saving.load_model(loaded.keras_file, compile=False),
        config=configuration.from_mapping(EncoderConfig, settings, path, "pretraining.encoder"),
        image_config=loaded.facts.image,
        channel_mean=np.array(loaded.facts.channel_mean, np.float32),
        channel_std=np.array(loaded.facts.channel_std, np.float32),
        prepare=loaded.prepare,
    )
    return encoder, {"version": loaded.version_name, "content_digest": loaded.content_digest}
