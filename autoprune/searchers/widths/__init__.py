"""Searchers in policy space itself: over the widths that the groups offer, by what a cut damages and what it saves."""
