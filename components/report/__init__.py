"""From everything a run left behind to one HTML page that people decide from."""
