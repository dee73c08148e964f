"""`autoprune tables`: list, show, verify and import latency tables."""
