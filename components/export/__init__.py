"""From a blessed model to a numbered version in the registry, and from there to whoever uses it."""
