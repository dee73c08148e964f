"""autoprune: a smaller network that keeps its budget when measured on your device."""

__version__ = "0.1.0"
