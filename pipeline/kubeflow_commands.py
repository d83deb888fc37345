"""The commands about Kubeflow; ``cli`` adds them to its parser. Imports lazily, as ``cli`` does."""

import argparse
import pathlib
import sys


def add_compile_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``simclr compile`` beside the config's."""
    parser.add_argument("--target", type=pathlib.Path, help="YAML file of a cluster; without it only the graph")
    parser.add_argument(
        "--output", type=pathlib.Path, default=pathlib.Path("pipeline.yaml"), help="the KFP v2 pipeline to write"
    )
    parser.add_argument("--graph", type=pathlib.Path, help="the TFX IR to write; by default <output>.ir.json")


def compile_pipeline(arguments: argparse.Namespace) -> int:
    """Write the TFX IR and, with a target, the KFP pipeline."""
    from pipeline import compilation, ir_file
    from pipeline import config as pipeline_config
    from pipeline import target as targets

    config = pipeline_config.load(arguments.config, tuple(arguments.overrides))
    target = targets.load(arguments.target) if arguments.target else None
    graph = compilation.compile_graph(config)
    if target:
        compilation.check(config, target, str(arguments.target), ir_file.node_ids(graph))
    graph_path = arguments.graph or arguments.output.with_suffix(".ir.json")
    graph_path.parent.mkdir(parents=True, exist_ok=True)
    graph_path.write_text(graph, encoding="utf-8")
    sys.stdout.write(f"Graph      {graph_path} (digest {ir_file.digest(graph)})\n")
    if target:
        if target.has_moving_image:
            sys.stderr.write(f"Warning: {arguments.target}: image: {target.image} has no digest, so it may change\n")
        compilation.emit(compilation.job(config, target, graph), arguments.output)
        sys.stdout.write(f"Pipeline   {arguments.output}\n")
    return 0
