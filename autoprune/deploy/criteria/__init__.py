"""What `autoprune compare --criteria` writes: criteria.json, the same in words, its picture, and criteria.html."""
