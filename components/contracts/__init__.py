"""What the steps promise each other: feature names, artifact types, serving names, configuration, digests of code."""
