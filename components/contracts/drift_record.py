"""Keys of ``drift.json`` (artifact_files.DRIFT_FILE): how the splits of a span differ from those of the span before.

``NOTES`` says what was not compared, and why; a difference above its limit stops the run unless a person accepted it.
"""

SPAN = "span"  # of the new data; null where it has no spans
BASELINE_SPAN = "baseline_span"  # null where there is nothing to compare with
ACCEPTED = "accepted"  # whether a person accepted the new data as it is
NOTES = "notes"  # sentences
COMPARISONS = "comparisons"  # a list with one mapping per split and feature, with the keys below

SPLIT = "split"
FEATURE = "feature"
MEASURE = "measure"  # LABEL_SHARE or DIVERGENCE
DISTANCE = "distance"  # 0 to 1
LIMIT = "limit"  # likewise
BEFORE = "before"  # what was measured in the span before, in words
NOW = "now"
DRIFTED = "drifted"  # distance above limit

LABEL_SHARE = "largest change of a class's share"
DIVERGENCE = "Jensen-Shannon divergence"
