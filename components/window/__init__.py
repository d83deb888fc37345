"""The last spans as one data set: what training sees when it looks further back than the span that is new."""
