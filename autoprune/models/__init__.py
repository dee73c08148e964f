"""Networks by name, their weights from safetensors, their fingerprint."""

from autoprune.models.imported import is_reference
from autoprune.models.registry import builtin_models, default_input, load_model
from autoprune.models.weights import fingerprint, load_weights

__all__ = ["builtin_models", "default_input", "fingerprint", "is_reference", "load_model", "load_weights"]
