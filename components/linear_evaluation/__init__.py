"""Linear evaluation: frozen features, a linear classifier, the evidence, and the verdict based on it."""
