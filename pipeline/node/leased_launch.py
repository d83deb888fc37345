"""A node of a run that no other run of its pipeline may work on at the same time: launched under the training lease."""

from ml_metadata.proto import metadata_store_pb2

from components.contracts import configuration
from pipeline.metadata import states
from pipeline.node.launch import Answer, NodeLaunch
from pipeline.node.training_lease import Lease, TrainingLease


class LeasedLaunch:
    """As ``NodeLaunch``, but alone; where there is no work, without the lease."""

    def __init__(
        self,
        launch: NodeLaunch,
        connection: metadata_store_pb2.ConnectionConfig,
        pipeline_name: str,
        run_id: str,
        terms: str,
    ):
        """Take over the launch; ``terms`` is the JSON of a ``TrainingLease``.

        Raises:
            ConfigError: the terms can't be used.
        """
        self._terms = configuration.from_json(TrainingLease, terms, "--training-lease")
        self._launch, self._of_lease = launch, (connection, pipeline_name, run_id, self._terms)

    def prepare(self) -> Answer:
        """As ``NodeLaunch.prepare``; where there is work, the lease is this run's until its GPU pod takes it over.

        Here, on a CPU, is where a run waits. The run it waited for may have left the same result in the cache.

        Raises:
            LeaseTakenError: another run holds the lease, and the terms are not to wait.
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
        """As ``NodeLaunch.run``, with the lease held and renewed while there is work.

        Raises:
            LeaseTakenError: another run holds the lease, and the terms are not to wait.
        """
        if self._launch.prepare() is Answer.SKIP:
            return self._launch.run()
        lease = Lease(*self._of_lease)
        lease.acquire(self._terms.expires_seconds)
        with lease.kept():
            return self._launch.run()
