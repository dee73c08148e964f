"""What a search is for: budgets, a floor, a front, another budget for trials that are there; and what came of it."""
