"""``simclr embed``: turns image files into a table of embeddings. Imports lazily, as ``cli`` does."""

import argparse
import os
import pathlib
import sys

from pipeline.commands import command_line

_EXIT_NOTHING_EMBEDDED = 1
_MAX_NAMED = 20  # refused files beyond this number are only counted


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``embed``."""
    parser = command_line.add_command(commands, "embed", _embed, "Turn image files into a table of embeddings.")
    parser.add_argument("images", nargs="+", metavar="IMAGES", help="image files, or folders of them")
    command_line.add_model(parser)
    parser.add_argument("--output", type=pathlib.Path, required=True, help="table to write: .parquet or .npy")


def _embed(arguments: argparse.Namespace) -> int:
    from components.export import embedding
    from components.export.consumer import load_encoder
    from pipeline.local.console import Console

    files = embedding.find_files(arguments.images)
    if not files:
        raise FileNotFoundError(f"{', '.join(arguments.images)}: no file in it")
    command_line.silence_libraries()
    encoder = load_encoder(*command_line.find_model(arguments))
    console = Console(os.dup(sys.stderr.fileno()))
    embedded = embedding.write_embeddings(
        encoder, files, arguments.output, lambda done: console.bar(done, len(files), "images")
    )
    for error in embedded.refused[:_MAX_NAMED]:
        console.line(f"Not embedded: {error}")
    if len(embedded.refused) > _MAX_NAMED:
        console.line(f"Not embedded: {len(embedded.refused) - _MAX_NAMED} more")
    console.line()
    sys.stdout.write(
        f"{embedded.num_images} of {len(files)} images embedded by version {encoder.version_name} "
        f"({encoder.dimensions} dimensions): {arguments.output}\n"
    )
    return 0 if embedded.num_images else _EXIT_NOTHING_EMBEDDED
