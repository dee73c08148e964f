"""The chosen network handed over: exported, measured beside the dense one, held to its budgets, reported."""
