"""Measures a frozen encoder beyond classification: small heads on its features, compared with random weights."""
