"""Ways to find good policies, one a file."""
