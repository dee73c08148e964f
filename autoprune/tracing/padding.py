"""Channels that a network's own code pads with constants, and how a narrower copy of it pads fewer.

The amounts stand as numbers in the code, as in the option A shortcuts of the CIFAR ResNets (He et al.,
CVPR 2016, section 4.2), so no slice of a tensor reaches them. In a sliced network that code runs as it
is, but for its padding calls: these are answered by `ChannelPad`s that know what is left to pad.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from functools import cache, wraps
from types import FrameType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

# Functions that can pad channels. What `torch.cat` joins with constants is padded with them.
PADDING_CALLS = frozenset({F.pad, torch.constant_pad_nd, torch.cat, torch.concat, torch.concatenate})


@dataclass(frozen=True, slots=True)
class PadCall:
    """The `number`-th padding call, from 0, in one forward of `module`, those of its children not counted."""

    module: str
    number: int


@dataclass(frozen=True, slots=True)
class Padding:
    """What a padding call does: `before` and `after` channels of one `value` around those that it is given.

    `axis` counts from the end (-3 in [N, C, H, W]); `operand` is the tensor with channels among those
    that the call joins.
    """

    before: int
    after: int
    axis: int
    value: float = 0.0
    operand: int = 0

    def __post_init__(self) -> None:
        if min(self.before, self.after) < 0 or self.axis >= 0:
            raise ValueError(f"padding takes amounts from 0 on and an axis below 0, got {self}")


class ChannelPad(nn.Module):
    """Puts constant channels around those of its input: [.., C, ..] to [.., before + C + after, ..].

    It has neither parameters nor buffers, and is a plain Pad in ONNX.
    """

    def __init__(self, padding: Padding) -> None:
        super().__init__()
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        """The padded input; see the class for shapes."""
        inner = [0, 0] * (-self.padding.axis - 1)
        return F.pad(x, [*inner, self.padding.before, self.padding.after], value=self.padding.value)

    def extra_repr(self) -> str:
        """What it pads, for `print(model)`."""
        return f"before={self.padding.before}, after={self.padding.after}, axis={self.padding.axis}"


def replace_padding(model: nn.Module, call: PadCall, padding: Padding) -> None:
    """Let `call` pad as `padding` says from now on; `model` is changed in place.

    The module in question gets a `ChannelPad` as a child, and a class, derived from its own, whose
    forward hands the call over to it. Names of parameters and buffers stay as they were.
    """
    module = model.get_submodule(call.module)
    if isinstance(module, ChannelPad):  # the network was sliced before
        module.padding = padding
        return
    module.add_module(_name(call.number), ChannelPad(padding).train(module.training))
    if not hasattr(type(module), _REPLACED):
        own_class: Any = type(module)
        module.__class__ = _with_paddings_replaced(own_class)


def pad_behind(model: nn.Module) -> None:
    """Let every `ChannelPad` of `model` put all of its padding behind the channels, which costs the same.

    Channels then stand at other places, so this is for timing only. Each amount is an affine function
    of the widths after it, as min(kept, 8) and the rest are not.
    """
    for module in model.modules():
        if isinstance(module, ChannelPad):
            own = module.padding
            module.padding = replace(own, before=0, after=own.before + own.after)


def calling_module() -> nn.Module | None:
    """The module whose own code is running: the last one called, be it in its forward or in a hook of it."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code is not nn.Module._call_impl.__code__:
        frame = frame.f_back
    return frame.f_locals["self"] if frame is not None else None


_REPLACED = "_padding_calls_are_replaced"


def _name(number: int) -> str:
    return f"channel_pad{number}"


@cache
def _with_paddings_replaced(original: Any) -> Any:
    """A subclass of a module's class whose padding calls its children `channel_pad0`, `channel_pad1`, .. answer."""

    @wraps(original.forward)
    def forward(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        with _Replacing(self):
            return original.forward(self, *args, **kwargs)

    def reduce(self: nn.Module, protocol: Any) -> Any:
        """Copies and pickles find the subclass by the class it is made from."""
        return _instance, (original,), *original.__reduce_ex__(self, protocol)[2:]

    members = {
        # Whose code is running is only known where Python itself runs it.
        "forward": torch.compiler.disable(forward),  # type: ignore[no-untyped-call]
        "__reduce_ex__": reduce,
        "__module__": original.__module__,
        _REPLACED: True,
    }
    return type(original.__name__, (original,), members)


def _instance(original: Any) -> Any:
    cls = _with_paddings_replaced(original)
    return cls.__new__(cls)


class _Replacing(TorchFunctionMode):
    """Counts the padding calls in one forward of `module` and hands those over that a `ChannelPad` answers."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self._module, self._calls = module, 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        pad = self._pad() if func in PADDING_CALLS and calling_module() is self._module else None
        if pad is None:
            return func(*args, **(kwargs or {}))
        given = args[0] if args else kwargs.get("input", kwargs.get("tensors"))
        return pad(given if isinstance(given, Tensor) else given[pad.padding.operand])

    def _pad(self) -> ChannelPad | None:
        pad = self._module._modules.get(_name(self._calls))
        self._calls += 1
        return pad if isinstance(pad, ChannelPad) else None
