"""Searchers over the shape of an allocation: one kept ratio a group, scaled up until the budgets are spent."""
