"""Progress of long work, reported through logging, so that any front end can show it.

A step calls ``report_progress``. The command-line tool draws a bar; the log of a pod shows lines.
"""

import logging

LOGGER_NAME = "simclr.progress"
_logger = logging.getLogger(LOGGER_NAME)


def report_progress(done: int, total: int, text: str) -> None:
    """Report that ``done`` of ``total`` units are done.

    Args:
        done: 0 to ``total``.
        total: > 0.
        text: what is going on, in a few words, such as ``"epoch 3/20 loss 4.21"``.
    """
    _logger.info("%d/%d %s", done, total, text, extra={"done": done, "total": total, "text": text})
