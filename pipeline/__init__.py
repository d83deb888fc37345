"""The graph, all settings, and the ways to run the graph."""
