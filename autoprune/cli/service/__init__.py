"""The commands of the service: those that run it, and those that speak to it."""
