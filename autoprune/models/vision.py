"""Networks of torchvision and timm by name, without their pretrained downloads."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from torch import nn

from autoprune.errors import BadInput
from autoprune.models.imported import call

LIBRARIES = ("torchvision", "timm")

# These two draw their first weights with a truncated normal that takes seconds, and return
# auxiliary logits beside the real ones while they train.
_QUIET_DEFAULTS: dict[str, dict[str, Any]] = {
    "googlenet": {"init_weights": False, "aux_logits": False},
    "inception_v3": {"init_weights": False, "aux_logits": False},
}
_DOWNLOADS = ("weights", "pretrained", "checkpoint_path", "pretrained_cfg", "weights_backbone")


class Unavailable(Exception):
    """A library cannot be imported here; the message says why, in the library's own words."""


def names(library: str) -> list[str]:
    """Image classifiers that `library` ("torchvision" or "timm") offers; raises `Unavailable`."""
    if library == "torchvision":
        models = _import("torchvision.models")
        return list(models.list_models(module=models))
    return list(_import("timm").list_models())


def build(library: str, name: str, options: Mapping[str, Any]) -> nn.Module:
    """The network `name` of `library`, freshly initialised.

    Raises `BadInput` for options that the network does not take and for those that would download
    or unpickle weights, `Unavailable` where the library cannot be imported.
    """
    refused = [option for option in _DOWNLOADS if option in options]
    if refused:
        raise BadInput(
            f"{name}: option {refused[0]!r} is not taken, because it may download or unpickle a file; "
            "save the weights once as .safetensors and give that file as the model's weights"
        )
    network: nn.Module = call(_builder(library, name), options, f"{library}/{name}")
    return network


def _builder(library: str, name: str) -> Callable[..., nn.Module]:
    if library == "torchvision":
        defaults = _QUIET_DEFAULTS.get(name, {})
        get_model = _import("torchvision.models").get_model
        return lambda **options: get_model(name, weights=None, **{**defaults, **options})
    create_model = _import("timm").create_model
    return lambda **options: create_model(name, pretrained=False, **options)


def _import(module: str) -> ModuleType:
    """Import `module`; a compiled part that does not fit raises RuntimeError or OSError rather than ImportError."""
    try:
        return importlib.import_module(module)
    except (ImportError, RuntimeError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise Unavailable(f"{module.partition('.')[0]} ({reason})") from error
