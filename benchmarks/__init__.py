"""Speed and memory compared with a known implementation, both sides taking turns in one run: `make bench`."""
