"""Ingestion as a Beam pipeline: the transforms, each a thin shell around the plain functions."""
