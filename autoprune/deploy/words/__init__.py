"""What the screen and the pages of every kind say alike: amounts, goals, and tables."""
