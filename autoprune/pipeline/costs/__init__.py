"""What policies of a subject cost: counted, and read from the tables of this device and of others."""
