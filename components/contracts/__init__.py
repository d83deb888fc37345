"""What the rooms promise each other: feature names, artifact types, serving names, configuration and digests."""
