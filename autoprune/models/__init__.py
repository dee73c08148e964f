"""Networks by name, their weights from safetensors, their fingerprint."""

from autoprune.models.registry import builtin_models, load_model
from autoprune.models.weights import fingerprint, load_weights

__all__ = ["builtin_models", "fingerprint", "load_model", "load_weights"]
