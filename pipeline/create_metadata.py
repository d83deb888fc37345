"""Creates ML Metadata's database and schema before the first run; changes nothing if they exist.

The connection comes from the environment, as for every node. The exit code is 0 once the database can be used.
"""

import logging
import sys

from components.contracts.configuration import ConfigError
from pipeline.node import process

_logger = logging.getLogger(__name__)

_PATIENCE_SECONDS = 300  # the database may be deployed at the same time and has to start first


def main() -> int:
    """Create what is missing.

    Returns:
        0 if the database can be used, 1 if it cannot be reached, 2 if the connection in the environment is wrong.
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
