"""A cluster's preparation: ML Metadata's database and schema, created by one process before any run.

ML Metadata creates what is missing when it connects, but several first nodes of a run that do so at once can fail.
"""

import logging
import sys

from ml_metadata import errors, metadata_store

from components.contracts.configuration import ConfigError
from pipeline import metadata_connection, node_process

_logger = logging.getLogger(__name__)

_EXIT_FAILED = 1
_EXIT_USAGE = 2


def main() -> int:
    """Create what is not there yet; what is there stays.

    Returns:
        0 where the database can be used, 1 where it could not be reached, 2 where the connection can't be read.
    """
    node_process.configure_logging()
    try:
        connection = metadata_connection.from_environment()
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return _EXIT_USAGE
    place = metadata_connection.place(connection)
    try:
        metadata_store.MetadataStore(connection).get_context_types()
    except (RuntimeError, errors.StatusError) as error:
        sys.stderr.write(f"Error: ML Metadata in {place}: {error}\n")
        return _EXIT_FAILED
    _logger.info("ML Metadata in %s is ready", place)
    return 0


if __name__ == "__main__":
    sys.exit(main())
