"""What pages of every kind share: the base template, and how the house draws."""
