"""From a torch module to channel groups, slices and counts."""
