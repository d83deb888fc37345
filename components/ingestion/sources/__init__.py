"""Where images come from: one small file per layout, listed in ``registry.py``."""
