"""What `autoprune search --pareto` writes: front.json, the same in words, its picture, and front.html."""
