"""What documents of every kind share: JSON files with a schema, a network's standing, and what was asked for."""
