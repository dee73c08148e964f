"""What `autoprune compare --recipes` writes: recipes.json, the same in words, its picture, and recipes.html."""
