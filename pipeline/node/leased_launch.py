"""Launches a node under the training lease, so that no other run of the pipeline trains at the same time."""

from ml_metadata.proto import metadata_store_pb2

from components.contracts import configuration
from pipeline.metadata import states
from pipeline.node.launch import Answer, NodeLaunch
from pipeline.node.training_lease import Lease, TrainingLease


class LeasedLaunch:
    """As ``NodeLaunch``, but holding the training lease whenever there is work."""

    def __init__(
        self,
        launch: NodeLaunch,
        connection: metadata_store_pb2.ConnectionConfig,
        pipeline_name: str,
        run_id: str,
        terms: str,
    ):
        """Wrap ``launch``; ``terms`` is the JSON of a ``TrainingLease``.

        Raises:
            ConfigError: the terms can't be used.
        """
        self._terms = configuration.from_json(TrainingLease, terms, "--training-lease")
        self._launch, self._of_lease = launch, (connection, pipeline_name, run_id, self._terms)

    def prepare(self) -> Answer:
        """As ``NodeLaunch.prepare``. If there is work, acquire the lease and hold it until the GPU pod takes over.

        A run waits here, on a CPU. Afterwards the cache is asked again, because the other run may have made the same
        result.

        Raises:
            LeaseTakenError: another run holds the lease, and the terms say to fail.
        """
        answer = self._launch.prepare()
        if answer is Answer.SKIP:
            return answer
        lease = Lease(*self._of_lease)
        lease.acquire(self._terms.handover_seconds)
        answer = self._launch.prepare()
        if answer is Answer.SKIP:
            lease.release()
        return answer

    def run(self) -> states.NodeResult:
        """As ``NodeLaunch.run``; holds and renews the lease while there is work.

        Raises:
            LeaseTakenError: another run holds the lease, and the terms say to fail.
        """
        if self._launch.prepare() is Answer.SKIP:
            return self._launch.run()
        lease = Lease(*self._of_lease)
        lease.acquire(self._terms.expires_seconds)
        with lease.kept():
            return self._launch.run()
