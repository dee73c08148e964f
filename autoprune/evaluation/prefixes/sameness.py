"""Whether parts of different networks compute the same: digests of their tensors, classes and settings."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import partial
from itertools import count
from types import BuiltinFunctionType, FunctionType
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

_PLAIN = (type(None), bool, int, float, complex, str, bytes, torch.dtype, torch.device, torch.memory_format)
_ONE_OBJECT = (type, FunctionType, BuiltinFunctionType)  # the same if they are one object
_NOT_SETTINGS = ("_modules", "_parameters", "_buffers")
_BARE = vars(nn.Module())  # what every module has


class _Incomparable(Exception):
    """A setting does not say what it does, as an object of some class of the network's own."""


class Digester:
    """Digests of parts of networks: equal where classes, tensors (numbers, types, layouts) and settings are.

    Classes and functions are the same where they are one object, so that digests of two digesters
    do not compare.
    """

    def __init__(self) -> None:
        self._objects: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
        self._numbers = count()

    def digests(self, network: nn.Module, parts: Iterable[Sequence[str]]) -> list[bytes]:
        """A digest of each of `parts`: names of modules, of which each part has all of the one before, and more.

        A module stands for itself, not for its children. The list ends before the first part with
        a setting that cannot be compared.
        """
        modules, digest, done = dict(network.named_modules()), hashlib.sha256(), 0
        found: list[bytes] = []
        for part in parts:
            try:
                for name in part[done:]:
                    self._add(digest, name, modules[name])
            except _Incomparable:
                break
            found.append(digest.digest())
            done = len(part)
        return found

    def _add(self, digest: hashlib._Hash, name: str, module: nn.Module) -> None:
        state = vars(module)
        settings = {k: v for k, v in state.items() if k not in _NOT_SETTINGS and not _is_bare(k, v)}
        digest.update(f"{name} {self._told(type(module))} {self._told(settings)}".encode())
        for own, tensor in [*state["_parameters"].items(), *state["_buffers"].items()]:
            digest.update(own.encode())
            if tensor is not None:
                _add_tensor(digest, tensor)

    def _told(self, value: Any) -> str:
        """A text that is the same for equal values, and for no others; raises `_Incomparable`."""
        if isinstance(value, Enum):
            return f"{self._told(type(value))}.{value.name}"
        if isinstance(value, _PLAIN):
            return f"{type(value).__name__} {value!r}"
        if isinstance(value, _ONE_OBJECT):
            return f"object {self._number(value)}"
        if isinstance(value, Tensor):
            digest = hashlib.sha256()
            _add_tensor(digest, value)
            return digest.hexdigest()
        return f"{self._told(type(value))} {self._parts(value)}"

    def _number(self, value: Any) -> int:
        if value not in self._objects:
            self._objects[value] = next(self._numbers)  # of its own for as long as it lives, and nobody's afterwards
        return self._objects[value]

    def _parts(self, value: Any) -> list[str]:
        if is_dataclass(value):
            return [f"{f.name}: {self._told(getattr(value, f.name))}" for f in fields(value)]
        if getattr(value, "__dict__", None):  # more than a container holds
            raise _Incomparable
        if isinstance(value, Mapping):
            return [f"{self._told(k)}: {self._told(v)}" for k, v in value.items()]
        if isinstance(value, tuple | list):
            return [self._told(item) for item in value]
        if isinstance(value, Set):
            return sorted(self._told(item) for item in value)
        if isinstance(value, partial):
            return [self._told(value.func), self._told(value.args), self._told(value.keywords)]
        raise _Incomparable


def _is_bare(name: str, value: object) -> bool:
    """Whether a module that is nothing else has that attribute, too."""
    return name in _BARE and type(value) is type(_BARE[name]) and bool(value == _BARE[name])


def _add_tensor(digest: hashlib._Hash, tensor: Tensor) -> None:
    if type(tensor) not in (Tensor, nn.Parameter) or tensor.layout != torch.strided or tensor.device.type != "cpu":
        raise _Incomparable
    digest.update(f"{tensor.dtype} {list(tensor.shape)} {tensor.stride()}".encode())
    digest.update(_in_memory_order(tensor.detach()).view(torch.uint8).numpy().data)


def _in_memory_order(tensor: Tensor) -> Tensor:
    """The numbers of a tensor in a row, not copied where they lie in one."""
    channels_last = tensor.ndim == 4 and tensor.is_contiguous(memory_format=torch.channels_last)
    whole = tensor if channels_last or tensor.is_contiguous() else tensor.contiguous()
    return whole.as_strided((whole.numel(),), (1,))
