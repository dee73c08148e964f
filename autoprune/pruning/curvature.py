"""First derivatives, and the diagonal of the Hessian H, estimated as the mean of z (H z) over random signs z.

Bekas, Kokiopoulou & Saad (Appl. Numer. Math. 57, 2007) do so after Hutchinson's estimator of the trace (1989).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def derivatives(of: Tensor, by: Sequence[Tensor], *, create_graph: bool) -> list[Tensor]:
    """Derivatives of a scalar by each tensor, zeros by those that it does not depend on."""
    found = torch.autograd.grad(of, by, create_graph=create_graph, allow_unused=True)
    return [torch.zeros_like(x) if own is None else own for x, own in zip(by, found, strict=True)]


def random_signs(shape: torch.Size, rng: torch.Generator) -> Tensor:
    """-1 and 1, equally likely."""
    return torch.randint(0, 2, shape, generator=rng).float() * 2 - 1


def diagonals(first: Sequence[Tensor], by: Sequence[Tensor], signs: Sequence[Tensor]) -> list[Tensor]:
    """z (H z) for each tensor, given the first derivatives with their graph and random signs z; the graph stays."""
    along = torch.stack([(own * z).sum() for own, z in zip(first, signs, strict=True) if own.requires_grad]).sum()
    second = torch.autograd.grad(along, by, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(z) if own is None else own * z for own, z in zip(second, signs, strict=True)]
