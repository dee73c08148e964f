"""One module a command, with what it answers; `autoprune.prune` is the main one from Python."""
