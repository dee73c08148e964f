"""What `autoprune run` writes: report.json, the same in words, its pictures, and report.html."""
