"""How all tests run: in which order, and with how many threads where several processes share the machine."""

import os

if "PYTEST_XDIST_WORKER" in os.environ:
    # Each process has a core of its own. TensorFlow reads this when it starts, and the processes of tests inherit it.
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_modifyitems(items):
    """Whole pipeline runs go first: of files that take minutes, none must be left for one process at the end."""
    items.sort(key=lambda item: item.get_closest_marker("e2e") is None)
