"""A network's weights: read from safetensors and nothing else, and told apart by a fingerprint."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from autoprune.errors import BadInput, CorruptFile

_PICKLE_SUFFIXES = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle", ".tar", ".zip")
_PICKLE_STARTS = (b"PK\x03\x04", *(b"\x80" + bytes([protocol]) for protocol in range(2, 6)))


def load_weights(model: nn.Module, path: Path) -> None:
    """Fill `model` with the tensors of the safetensors file at `path`; on any error it stays as it was.

    A `module.` prefix on every name (from `DataParallel`) is dropped; numbers are converted to the
    model's own type. A pickle is refused unread, since reading one runs whatever code it holds.

    Raises `CorruptFile` for a truncated or damaged file, `BadInput` for a missing or pickled one,
    and for tensors that are missing, unexpected, of another shape, or not finite.
    """
    tensors = _without_prefix(_read(path))
    own = model.state_dict()
    _check(tensors, own, path)
    with torch.no_grad():
        for name, tensor in tensors.items():
            own[name].copy_(tensor)


def fingerprint(model: nn.Module) -> str:
    """16 hex digits of the SHA-256 over the names, types, shapes and bytes of the model's state, sorted by name."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        raw = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        digest.update(raw.numpy().tobytes())
    return digest.hexdigest()[:16]


def _read(path: Path) -> dict[str, Tensor]:
    _refuse_pickles(path)
    try:
        return load_file(path)
    except SafetensorError as error:
        raise CorruptFile(f"{path}: not a whole safetensors file ({error}); save or copy it again") from None


def _refuse_pickles(path: Path) -> None:
    try:
        with path.open("rb") as file:
            start = file.read(9)
    except OSError as error:
        raise BadInput(f"{path}: weights cannot be read ({error.strerror})") from None
    # A safetensors file starts with the 8-byte length of a JSON header, so its ninth byte is a brace.
    is_safetensors = start[8:] == b"{"
    if not is_safetensors and (start.startswith(_PICKLE_STARTS) or path.suffix.lower() in _PICKLE_SUFFIXES):
        raise BadInput(
            f"{path}: pickled weights are not read, because a pickle can run any code. If you trust it, convert it: "
            "safetensors.torch.save_file(torch.load(FILE, weights_only=True), 'weights.safetensors')"
        )


def _without_prefix(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    prefixed = bool(tensors) and all(name.startswith("module.") for name in tensors)
    return {name.removeprefix("module."): t for name, t in tensors.items()} if prefixed else tensors


def _check(tensors: dict[str, Tensor], own: dict[str, Tensor], path: Path) -> None:
    """Raise `BadInput` naming the first tensors that do not fit the model's `own`."""
    unexpected = [name for name in tensors if name not in own]
    _refuse(path, unexpected, "tensors that the model does not have")
    # A tensor that shares the memory of a given one is given too: safetensors stores it once.
    given = {own[name].data_ptr() for name in tensors}
    counters = ".num_batches_tracked"  # checkpoints from before PyTorch 0.4.1 lack it, and inference ignores it
    missing = [n for n, t in own.items() if n not in tensors and t.data_ptr() not in given and not n.endswith(counters)]
    _refuse(path, missing, "no tensors for")
    misshapen = [
        f"{name} {tuple(tensor.shape)} where the model has {tuple(own[name].shape)}"
        for name, tensor in tensors.items()
        if tensor.shape != own[name].shape
    ]
    _refuse(path, misshapen, "tensors of another shape:")
    broken = [name for name, tensor in tensors.items() if not bool(torch.isfinite(tensor).all())]
    _refuse(path, broken, "values that are not finite in")


def _refuse(path: Path, names: list[str], what: str) -> None:
    if names:
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        raise BadInput(f"{path}: has {what} {', '.join(names[:3])}{more}; is it the right file for this model?")
