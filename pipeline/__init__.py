"""The graph, the settings of its rooms joined, and the places it runs."""
