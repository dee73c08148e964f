"""What a latency table looks like: its predictions against the clock, and what each width of a group costs."""
