"""What a network draws: measured under a meter, or modelled from its work."""
