"""Access to ML Metadata: the connection, and the runs, states and schemas in it."""
