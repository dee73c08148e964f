"""Sequential refit: layer by layer, with the pruned network's own inputs, toward the dense network's outputs.

He et al., ICCV 2017, section 3.2 ("whole model pruning"): errors that earlier layers made are seen
by later ones and repaired there, instead of adding up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from autoprune.pruning.features import input_rows, output_rows, pick_positions, positions
from autoprune.pruning.refit import NORMS, running_mean, set_offset

# How strongly a refitted layer is held to the weights it had: a share of its inputs' mean variance.
_HOLD = 3e-3


class SequentialRefit:
    """The dense network's answers at every refittable layer, and the pass that fits a pruned one to them."""

    def __init__(
        self,
        dense: nn.Module,
        layers: Sequence[str],
        norm_after: Mapping[str, str],
        inputs: Tensor,
        *,
        batch: int = 128,
    ) -> None:
        self._layers, self._norm_after, self._inputs = tuple(layers), norm_after, inputs
        self._picks: dict[str, Tensor | None] = {}
        self._targets = self._dense_outputs(dense, batch)
        self._means = {name: running_mean(dense, norm) for name, norm in norm_after.items()}

    def _dense_outputs(self, dense: nn.Module, batch: int) -> dict[str, Tensor]:
        """Outputs [rows, O] of each layer at the picked positions, images in order."""
        modules = dict(dense.named_modules())
        found: dict[str, list[Tensor]] = {name: [] for name in self._layers}

        def watch(name: str) -> Any:
            def hook(module: nn.Module, _: Any, out: Tensor) -> None:
                if name not in self._picks:
                    features = module.weight[0].numel()
                    n = positions(module, out)
                    self._picks[name] = pick_positions(len(self._inputs), n, int(features), seed=0)
                found[name].append(output_rows(module, out, self._picks[name]).clone())

            return hook

        handles = [modules[name].register_forward_hook(watch(name)) for name in self._layers]
        try:
            with torch.no_grad():
                for chunk in torch.split(self._inputs, batch):
                    dense(chunk)
        finally:
            for handle in handles:
                handle.remove()
        return {name: torch.cat(rows) for name, rows in found.items() if rows}

    def __call__(self, small: nn.Module, kept_outputs: Mapping[str, Tensor]) -> None:
        """Refit `small` in place in one forward pass: every layer is fitted just before it computes.

        `kept_outputs` gives, per layer, which of the dense output channels the small one still has
        (absent: all). Batch norms that follow no refitted layer take the statistics of their inputs.
        """
        modules = dict(small.named_modules())
        fitted_norms = {self._norm_after[name] for name in self._targets if name in self._norm_after}
        handles = []
        for name in self._targets:
            norm = modules.get(self._norm_after.get(name, ""))
            target, mean, rows = self._targets[name], self._means.get(name), kept_outputs.get(name)
            if rows is not None:
                target, mean = target[:, rows], None if mean is None else mean[rows]
            fit = _Fit(target, self._picks[name], norm, mean)
            handles.append(modules[name].register_forward_pre_hook(fit))
        for name, module in modules.items():
            if isinstance(module, NORMS) and name not in fitted_norms:
                handles.append(module.register_forward_pre_hook(_recompute))
        try:
            with torch.no_grad():
                small(self._inputs)
        finally:
            for handle in handles:
                handle.remove()


class _Fit:
    """Pre-forward hook of one layer: solve for its weights from the inputs that arrive."""

    def __init__(self, target: Tensor, pick: Tensor | None, norm: nn.Module | None, dense_mean: Tensor | None) -> None:
        self._target, self._pick, self._norm, self._dense_mean = target, pick, norm, dense_mean

    def __call__(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        assert isinstance(module, nn.Linear | nn.Conv2d)
        x = input_rows(module, args[0], self._pick)
        mean_x, mean_y = x.mean(0, dtype=torch.float64), self._target.mean(0, dtype=torch.float64)
        n = len(x)
        covariance = (x.T @ x).double() / n - torch.outer(mean_x, mean_x)
        cross = (x.T @ self._target).double() / n - torch.outer(mean_x, mean_y)
        hold = _HOLD * covariance.diagonal().mean() + 1e-10
        held = module.weight.detach().flatten(1).T.double()
        system = covariance + hold * torch.eye(len(mean_x), dtype=torch.float64)
        weight = torch.cholesky_solve(cross + hold * held, torch.linalg.cholesky(system))
        module.weight.copy_(weight.T.reshape(module.weight.shape))
        set_offset(module, self._norm, self._dense_mean, mean_y - mean_x @ weight)


def _recompute(norm: nn.Module, args: tuple[Any, ...]) -> None:
    """Pre-forward hook: running statistics are those of what arrives."""
    x = args[0]
    axes = [a for a in range(x.ndim) if a != 1]
    if isinstance(norm, NORMS) and norm.running_mean is not None and norm.running_var is not None:
        norm.running_mean.copy_(x.mean(axes))
        norm.running_var.copy_(x.var(axes, unbiased=False))
