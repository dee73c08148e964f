"""What `autoprune sensitivity` writes: sensitivity.json, the same in words, its pictures, and sensitivity.html."""
