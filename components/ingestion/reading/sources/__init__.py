"""Where images come from: one small file per layout; its name is the value of ``ingestion.source``."""
