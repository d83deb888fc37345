"""A cluster in a folder: one process per node of a small graph; they share nothing but files and ML Metadata.

A server that has imported TFX forks the processes, which saves each of them ten seconds and more.
"""

import json
import multiprocessing
import os
import pathlib
import runpy
import signal
import time

from google.protobuf import json_format
from ml_metadata.proto import metadata_store_pb2

from pipeline import config as pipeline_config
from pipeline import ir_file, run_parameters
from pipeline.kfp import compilation
from pipeline.metadata import states

from . import tiny

SECRET = "planted-9f3c"
_NODE_IN_PROCESS = str(pathlib.Path(__file__).with_name("node_in_process.py"))
_DEADLINE_SECONDS = 900
_GRACE_SECONDS = 30  # Kubernetes' own, between SIGTERM and SIGKILL
_LEASE = json.dumps({"if_taken": "fail", "expires_seconds": 600, "handover_seconds": 600})
_IMAGES_PER_CLASS = 30
_OVERRIDES = (
    "pretraining.epochs=6",
    "pretraining.checkpoint_every_steps=1",
    "pretraining.jit_compile=false",
    "linear_evaluation.label_fractions=[1.0]",
    "linear_evaluation.label_draws=1",
    "gate.min_accuracy=0.2",
)


class Cluster:
    """A folder that outlives the processes, and the processes.

    Args:
        root: the folder.
        connection: to ML Metadata, as the Secret holds it; by default a SQLite file in the folder.
    """

    def __init__(self, root: pathlib.Path, connection: dict | None = None):
        self.root = root
        tiny.write(root, _IMAGES_PER_CLASS)
        self.config = pipeline_config.load(str(root / "tiny.yaml"), _OVERRIDES)
        self.graph = compilation.compile_graph(self.config)
        (root / "graph.json").write_text(self.graph)
        # This path stands for a password: tests search every log and record for it.
        if connection is None:
            (root / SECRET).mkdir()
            connection = {"sqlite": {"filename_uri": str(root / SECRET / "metadata.sqlite"), "connection_mode": 3}}
        self.connection = json_format.ParseDict(connection, metadata_store_pb2.ConnectionConfig())
        self.environment = {"SIMCLR_METADATA_CONNECTION": json.dumps(connection)}
        self._processes = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload(["pipeline.node.launch", "pipeline.intermediate_representation"])

    def arguments(self, node_id: str, run_id: str, *extra: str, gpus: int = 0) -> list[str]:
        rooms = run_parameters.bindings(self.config, "", "")
        values = {
            "ir": str(self.root / "graph.json"),
            "ir-digest": ir_file.digest(self.graph),
            "run-id": run_id,
            "node": node_id,
            "gpus": str(gpus),
            "pipeline-root": str(self.root / "pipeline_root"),
            "registry": str(self.root / "registry"),
            "data-root": str(self.root / "digits"),
            "span-range": "latest",
            **{room.replace("_", "-"): rooms[room] for room in run_parameters.ROOMS},
        }
        if node_id == "Trainer":
            values["training-lease"] = _LEASE
        return [*(word for name, value in values.items() for word in (f"--{name}", value)), *extra]

    def start(self, node_id: str, run_id: str, *extra: str) -> multiprocessing.Process:
        arguments = self.arguments(node_id, run_id, *extra)
        log = self.root / "logs" / f"{run_id}-{node_id}.log"
        log.parent.mkdir(exist_ok=True)
        given = {"ARGUMENTS": arguments, "ENVIRONMENT": self.environment, "LOG": str(log)}
        process = self._processes.Process(target=runpy.run_path, args=(_NODE_IN_PROCESS, given, "__main__"))
        process.start()
        return process

    def run(self, node_id: str, run_id: str, *extra: str) -> int:
        process = self.start(node_id, run_id, *extra)
        process.join(_DEADLINE_SECONDS)
        assert process.exitcode is not None, f"{node_id} did not end"
        return process.exitcode

    def run_at_once(self, *nodes: tuple[str, str]) -> list[int | None]:
        """Run nodes, each given with its run id, side by side; their exit codes."""
        processes = [self.start(node_id, run_id) for node_id, run_id in nodes]
        for process in processes:
            process.join(_DEADLINE_SECONDS)
        return [process.exitcode for process in processes]

    def run_and_kill(self, node_id: str, run_id: str, when: str, how: signal.Signals = signal.SIGKILL) -> None:
        """Start a node and send it the signal ``how`` as soon as a new path matches the pattern ``when``."""
        before = set(self.root.glob(when))
        process = self.start(node_id, run_id)
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while set(self.root.glob(when)) <= before:
            assert process.is_alive() and time.monotonic() < deadline, f"{node_id} ended before {when}"
            time.sleep(0.001)
        os.kill(process.pid, how)
        process.join(_GRACE_SECONDS)
        assert process.exitcode == -how

    def check(self, node_id: str, run_id: str) -> tuple[int, str | None]:
        answer = self.root / "answers" / f"{run_id}-{node_id}"
        code = self.run(node_id, run_id, "--check", str(answer))
        return code, answer.read_text() if answer.exists() else None

    def results(self, run_id: str) -> dict[str, states.NodeResult]:
        return states.node_results(self.connection, "tiny", run_id)

    def log(self, run_id: str, node_id: str) -> str:
        return (self.root / "logs" / f"{run_id}-{node_id}.log").read_text()
