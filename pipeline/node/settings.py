"""Which settings decide whether the graph has a node, and how many GPUs the node uses."""

from pipeline.config import PipelineConfig

# Optional nodes, with the name of the config whose ``enabled`` puts them into the graph. A target may name them even if
# the graph lacks them.
OPTIONAL_NODES = {"Tuner": "tuning", "Baselines": "baselines"}
PRETRAINING_NODES = ("Tuner", "Trainer")  # they train, one run of a pipeline at a time
# Nodes that use ``num_gpus`` GPUs, with the name of the config that says how many; others use whatever GPU they see.
PLACED_NODES = {**dict.fromkeys(PRETRAINING_NODES, "pretraining"), "Baselines": "baselines"}


def is_enabled(node_id: str, config: PipelineConfig) -> bool:
    """Whether the graph of ``config`` has the node ``node_id``."""
    room = OPTIONAL_NODES.get(node_id)
    return room is None or getattr(config, room).enabled
