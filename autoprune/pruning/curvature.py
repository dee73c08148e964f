"""First derivatives, and diagonals of second ones, estimated with random signs z.

That of the Hessian H is the mean of z (H z): Bekas, Kokiopoulou & Saad (Appl. Numer. Math. 57, 2007), after
Hutchinson's estimator of the trace (1989). It may come out negative, and of a single weight it is little more than
chance. That of the Gauss-Newton matrix G = A^T A is the mean of (A^T z)^2, never negative: H without the curvature of
the network itself, as LeCun, Denker & Solla (NIPS 1989) have it too.
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


def gauss_newton(outputs: Tensor, by: Sequence[Tensor], rng: torch.Generator) -> list[Tensor]:
    """(A^T z)^2 for each tensor, A^T A the Gauss-Newton matrix of the sum of cross-entropies of logits [N, classes].

    No label is asked for: the second derivative by the logits, diag(p) - p p^T, depends on p = softmax(logits) alone.
    The graph stays.
    """
    p, z = outputs.detach().softmax(dim=1), random_signs(outputs.shape, rng)
    centred = outputs - (p * outputs).sum(dim=1, keepdim=True)
    first = torch.autograd.grad((z * p.sqrt() * centred).sum(), by, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(x) if own is None else own.square() for x, own in zip(by, first, strict=True)]
