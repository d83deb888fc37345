"""From the bytes of one file to one stored image record, or to a refusal with its reason."""
