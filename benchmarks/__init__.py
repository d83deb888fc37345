"""Speed and memory beside something known, both sides alternating in one run: `make bench`."""
