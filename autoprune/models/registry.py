"""From a model's name to a network."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from autoprune.errors import BadInput
from autoprune.models import resnet_cifar, vision
from autoprune.models.digits_cnn import digits_cnn
from autoprune.models.imported import call, is_reference, load_function, takes
from autoprune.models.weights import load_weights
from autoprune.spec import ModelSpec

_BUILTIN: dict[str, Callable[..., nn.Module]] = {
    "digits_cnn": digits_cnn,
    "resnet20": resnet_cifar.resnet20,
    "resnet32": resnet_cifar.resnet32,
    "resnet44": resnet_cifar.resnet44,
    "resnet56": resnet_cifar.resnet56,
}


_INPUT: dict[str, tuple[int, ...]] = {name: (1, 8, 8) if name == "digits_cnn" else (3, 32, 32) for name in _BUILTIN}


def builtin_models() -> tuple[str, ...]:
    """Names of the networks that come with this package."""
    return tuple(_BUILTIN)


def default_input(name: str, batch: bool = True) -> tuple[int, ...] | None:
    """The input shape a network is made for, [1, C, H, W] or without its batch; None where a name does not tell."""
    if is_reference(name):
        return None
    shape = _INPUT.get(name, (3, 224, 224))
    return (1, *shape) if batch else shape


def load_model(spec: ModelSpec, *, num_classes: int | None = None, seed: int = 0) -> nn.Module:
    """The network that `spec` names, in eval mode, with the spec's weights where it gives some.

    Looked up in this order: built-in, `module:function`, `torchvision/NAME` or `timm/NAME`, a plain
    torchvision name, a plain timm name. `num_classes` sets the number of outputs unless the spec's
    options do (a `module:function` receives it only if it has a parameter of that name). `seed`
    draws weights that no file gives; the global random state is left as it was.

    Raises `BadInput` for unknown names, options and weights that do not fit, `CorruptFile` for a
    broken weights file.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _build(spec, num_classes)
    if not isinstance(network, nn.Module):
        raise BadInput(f"model {spec.name} returned a {type(network).__name__}, not a torch.nn.Module")
    if spec.weights is not None:
        load_weights(network, spec.weights)
    return network.eval()


def _build(spec: ModelSpec, num_classes: int | None) -> Any:
    options = dict(spec.options)
    if num_classes is not None:
        options.setdefault("num_classes", num_classes)
    if spec.name in _BUILTIN:
        return call(_BUILTIN[spec.name], options, spec.name)
    if is_reference(spec.name):
        function = load_function(spec.name)
        if "num_classes" not in spec.options and not takes(function, "num_classes"):
            options.pop("num_classes", None)
        return call(function, options, spec.name)
    library, name = _find(spec.name)
    return vision.build(library, name, options)


def _find(name: str) -> tuple[str, str]:
    """The library that has `name`, and the name there; raises `BadInput` with the nearest names."""
    prefix, _, rest = name.partition("/")
    libraries, wanted = ((prefix,), rest) if prefix in vision.LIBRARIES and rest else (vision.LIBRARIES, name)
    known = list(_BUILTIN)
    absent = []
    for library in libraries:
        try:
            offered = vision.names(library)
        except vision.Unavailable as error:
            absent.append(str(error))
            continue
        if wanted in offered:
            return library, wanted
        known += offered
    near = difflib.get_close_matches(wanted, known, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"built-in are {', '.join(_BUILTIN)}"
    message = f"unknown model {name!r}; {hint}"
    if absent:
        message += f"\nCould not import {' and '.join(absent)}: pip install autoprune[vision], built for this torch"
    raise BadInput(message)
