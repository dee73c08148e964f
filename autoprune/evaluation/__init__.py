"""Tasks, data splits, and the score of a network."""
