"""Which settings decide about a node: whether the graph has it, and how many GPUs it uses."""

from pipeline.config import PipelineConfig

# Nodes that a graph may be without, and the room whose ``enabled`` says whether it has them; a target may name them all
# the same.
OPTIONAL_NODES = {"Tuner": "tuning", "Baselines": "baselines"}
PRETRAINING_NODES = ("Trainer", "Tuner")
# Nodes that place their work by ``num_gpus`` of a room, and the room; others use whatever GPU they see.
PLACED_NODES = {**dict.fromkeys(PRETRAINING_NODES, "pretraining"), "Baselines": "baselines"}


def is_enabled(node_id: str, config: PipelineConfig) -> bool:
    """Whether the graph of ``config`` has a node of this id."""
    room = OPTIONAL_NODES.get(node_id)
    return room is None or getattr(config, room).enabled
