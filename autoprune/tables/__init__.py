"""Latency tables on disk: reading and checking them, finding the installed one of a device."""
