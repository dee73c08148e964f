"""The main job in stages: each reads what earlier ones left in the run's folder, and leaves its own product there."""
