"""Counts decoded images over all threads of a process and reports the progress every two seconds."""

import threading
import time

from components.contracts.progress import report_progress

_SECONDS_BETWEEN_REPORTS = 2.0
_meters: dict[str, "DecodeMeter"] = {}
_lock = threading.Lock()


class DecodeMeter:
    """Progress of one run in this process. Each worker process reports its own part."""

    @classmethod
    def of(cls, run: str, total: int) -> "DecodeMeter":
        """The meter of ``run`` (any unique string) in this process."""
        with _lock:
            if run not in _meters:
                _meters.clear()  # of earlier runs
                _meters[run] = cls(total)
            return _meters[run]

    def __init__(self, total: int):
        self._total = total
        self._done = 0
        self._reported = time.monotonic()

    def add(self, number: int) -> None:
        """Count ``number`` more images."""
        with _lock:
            self._done = min(self._done + number, self._total)
            now = time.monotonic()
            if now - self._reported < _SECONDS_BETWEEN_REPORTS:
                return
            self._reported = now
            done = self._done
        report_progress(done, self._total, "images decoded")
