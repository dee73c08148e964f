"""The latency table: what was timed, how its rows add up to networks, and where the stairs are."""
