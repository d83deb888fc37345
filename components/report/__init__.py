"""Reads the files of a run and writes one HTML page, on which people base their decisions."""
