"""Run one node in a process forked for it, with its own streams and environment, as in a container.

The globals ``ARGUMENTS``, ``ENVIRONMENT`` and ``LOG`` come from the test.
"""

import os
import sys

from pipeline import run_node

if __name__ == "__main__":
    descriptor = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND)  # noqa: F821
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.environ.update(ENVIRONMENT)  # noqa: F821
    sys.exit(run_node.main(ARGUMENTS))  # noqa: F821
