"""Progress of long work, told through logging, so that any front end can draw it.

A room calls ``report_progress``; the command-line tool draws a bar from it, a pod's log shows it as lines.
"""

import logging

LOGGER_NAME = "simclr.progress"
_logger = logging.getLogger(LOGGER_NAME)


def report_progress(done: int, total: int, text: str) -> None:
    """Say that ``done`` of ``total`` units are done.

    Args:
        done: 0 to ``total``.
        total: > 0.
        text: what is going on, in a few words, such as ``"epoch 3/20 loss 4.21"``.
    """
    _logger.info("%d/%d %s", done, total, text, extra={"done": done, "total": total, "text": text})
