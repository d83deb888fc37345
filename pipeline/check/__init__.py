"""What can be known about a run before it trains: its data, its minimums, its machine, its time."""
