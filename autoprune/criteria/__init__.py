"""Which channels of a group matter: one family of criteria a file."""
