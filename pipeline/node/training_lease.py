"""Lets only one run of a pipeline train at a time, by a lease in ML Metadata, which all nodes can reach.

A lease is a context named by pipeline and number. Whoever creates the next number holds the lease; if several runs try
at once, the database lets one of them succeed. Only the holder writes to its lease, to renew it. A holder that finds a
higher number has lost the lease and ends its process, so that a pod that was cut off for a while does not train beside
its successor.
"""

import contextlib
import datetime
import enum
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator

from ml_metadata import errors, metadata_store
from ml_metadata.proto import metadata_store_pb2
from pydantic import Field

from components.contracts import configuration

_logger = logging.getLogger(__name__)

_CONTEXT_TYPE = "TrainingLease"
_PIPELINE, _NUMBER, _RUN_ID, _HOST = "pipeline", "number", "run_id", "host"
_EXPIRES_AT, _IS_RELEASED = "expires_at", "is_released"  # seconds since 1970 by the holder's clock; 0 or 1
_RENEWALS_PER_TERM = 4
_CLOCK_SKEW_SECONDS = 5  # between two nodes of a cluster
_POLLS_PER_TERM = 10


class IfTaken(str, enum.Enum):
    """What to do when another run of this pipeline is already training."""

    WAIT = "wait"
    FAIL = "fail"


@configuration.configuration
class TrainingLease:
    """How runs of one pipeline avoid training at the same time."""

    if_taken: IfTaken = Field(
        default=IfTaken.WAIT, description="wait until the other run has trained, or fail and name it"
    )
    expires_seconds: int = Field(
        default=300,
        ge=1,
        le=86_400,
        description="how long a lease lasts without renewal; its holder renews it four times in that time",
    )
    handover_seconds: int = Field(
        default=3600,
        ge=1,
        le=604_800,
        description="how long the lease waits for the GPU pod after the check found work",
    )


class LeaseTakenError(RuntimeError):
    """Another run is training; the message names it."""


class Lease:
    """The lease of one pipeline, as one run sees it."""

    def __init__(
        self,
        connection: metadata_store_pb2.ConnectionConfig,
        pipeline_name: str,
        run_id: str,
        terms: TrainingLease,
    ):
        self._connection, self._pipeline_name, self._run_id, self._terms = connection, pipeline_name, run_id, terms
        self._store = metadata_store.MetadataStore(connection)
        self._type_id = self._store.put_context_type(metadata_store_pb2.ContextType(name=_CONTEXT_TYPE))
        self._held: metadata_store_pb2.Context | None = None

    def acquire(self, seconds: float) -> None:
        """Take the lease for ``seconds``. If another run holds it, wait or fail, as the terms say.

        Raises:
            LeaseTakenError: another run holds it, and the terms say to fail.
        """
        reported = None
        while True:
            latest = self._latest()
            if latest is None or self._is_free(latest):
                if self._create(_number(latest) + 1 if latest else 1, seconds):
                    return
                continue
            if self._terms.if_taken is IfTaken.FAIL:
                raise LeaseTakenError(_taken(latest))
            if reported != latest.id:
                _logger.info("waiting: %s", _taken(latest))
                reported = latest.id
            time.sleep(self._terms.expires_seconds / _POLLS_PER_TERM)

    def release(self) -> None:
        """Give the lease back, so that another run can take it."""
        self._write(self._store, is_released=1)

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Renew the lease while the block runs, and release it unless the block raises.

        After an error the lease is left to expire, so that a retry of this run comes before other runs.
        """
        ended = threading.Event()
        renewing = threading.Thread(target=self._renew, args=(ended,), name="training-lease", daemon=True)
        renewing.start()
        try:
            yield
        finally:
            ended.set()
            renewing.join()
        self.release()

    def _renew(self, ended: threading.Event) -> None:
        store = metadata_store.MetadataStore(self._connection)  # one client serves one thread
        while not ended.wait(self._terms.expires_seconds / _RENEWALS_PER_TERM):
            try:
                latest = self._latest(store)
                if latest is None or latest.id != self._own().id:
                    _end_process(f"the lease was lost: {_taken(latest) if latest else 'it is gone'}")
                self._write(store)
            except (RuntimeError, errors.StatusError) as error:
                _logger.warning("the training lease could not be renewed: %s", error)
                if time.time() > self._own().custom_properties[_EXPIRES_AT].double_value:
                    _end_process("the lease could not be renewed in time, and another run may train now")

    def _own(self) -> metadata_store_pb2.Context:
        if self._held is None:
            raise RuntimeError("this run has not acquired the lease")
        return self._held

    def _latest(self, store: metadata_store.MetadataStore | None = None) -> metadata_store_pb2.Context | None:
        contexts = (store or self._store).get_contexts_by_type(_CONTEXT_TYPE)
        ours = [
            context for context in contexts if context.custom_properties[_PIPELINE].string_value == self._pipeline_name
        ]
        return max(ours, key=_number, default=None)

    def _is_free(self, lease: metadata_store_pb2.Context) -> bool:
        properties = lease.custom_properties
        is_expired = time.time() > properties[_EXPIRES_AT].double_value + _CLOCK_SKEW_SECONDS
        is_ours = properties[_RUN_ID].string_value == self._run_id
        return bool(properties[_IS_RELEASED].int_value) or is_ours or is_expired

    def _create(self, number: int, seconds: float) -> bool:
        """Create the lease of this number; False if another process was faster."""
        lease = metadata_store_pb2.Context(type_id=self._type_id, name=f"{self._pipeline_name} {number}")
        lease.custom_properties[_PIPELINE].string_value = self._pipeline_name
        lease.custom_properties[_NUMBER].int_value = number
        lease.custom_properties[_RUN_ID].string_value = self._run_id
        lease.custom_properties[_HOST].string_value = socket.gethostname()
        lease.custom_properties[_EXPIRES_AT].double_value = time.time() + seconds
        try:
            [lease.id] = self._store.put_contexts([lease])
        except errors.AlreadyExistsError:
            return False
        self._held = lease
        return True

    def _write(self, store: metadata_store.MetadataStore, is_released: int = 0) -> None:
        expires_at = time.time() + self._terms.expires_seconds
        renewed = metadata_store_pb2.Context()
        renewed.CopyFrom(self._own())
        renewed.custom_properties[_EXPIRES_AT].double_value = expires_at
        renewed.custom_properties[_IS_RELEASED].int_value = is_released
        store.put_contexts([renewed])
        self._held = renewed


def _number(lease: metadata_store_pb2.Context) -> int:
    return lease.custom_properties[_NUMBER].int_value


def _taken(lease: metadata_store_pb2.Context) -> str:
    properties = lease.custom_properties
    until = datetime.datetime.fromtimestamp(properties[_EXPIRES_AT].double_value, datetime.timezone.utc)
    return (
        f"run {properties[_RUN_ID].string_value} ({properties[_HOST].string_value}) is training pipeline "
        f"{properties[_PIPELINE].string_value} and holds its lease until {until:%Y-%m-%d %H:%M:%S} UTC or longer; only "
        "one run can train at a time"
    )


def _end_process(reason: str) -> None:
    """End at once, because no clean-up of this process may touch what its successor writes."""
    _logger.error("%s; this process ends", reason)
    for stream in (*logging.getLogger().handlers, sys.stdout, sys.stderr):
        stream.flush()
    os._exit(1)
