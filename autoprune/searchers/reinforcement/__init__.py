"""Reinforcement-learning searchers: agents that walk through the network and choose each group's kept ratio (AMC)."""
