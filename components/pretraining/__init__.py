"""Trains an encoder on views without labels; resumes after an interruption and stops if it learns nothing."""
