"""Creates ML Metadata's database and schema once, before the first run; harmless when they are there.

Takes the connection from the environment, as every node does; the exit code is 0 once the database can be used.
"""

import logging
import sys

from components.contracts.configuration import ConfigError
from pipeline.node import process

_logger = logging.getLogger(__name__)

_PATIENCE_SECONDS = 300  # a database that is deployed at the same time first has to start


def main() -> int:
    """Create what is missing.

    Returns:
        0 where the database can be used now, 1 where it cannot be reached, 2 where the connection cannot be read.
    """
    process.configure_logging()
    from pipeline.metadata import connection as metadata_connection

    try:
        connection = metadata_connection.from_environment()
        metadata_connection.connect(connection, _PATIENCE_SECONDS)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except metadata_connection.MetadataUnreachableError as error:
        sys.stderr.write(f"Error: {error}\n")
        return 1
    _logger.info("ML Metadata is ready: %s", metadata_connection.place(connection))
    return 0


if __name__ == "__main__":
    sys.exit(main())
