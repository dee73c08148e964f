"""What `autoprune compare` writes: compare.json, the same in words, its pictures, and compare.html."""
