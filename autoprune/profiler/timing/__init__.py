"""Timing networks in turns, and what is left of the visits once drift and overhead are taken out."""
