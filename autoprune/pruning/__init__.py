"""From a policy to a smaller module: choose channels, slice, refit."""
