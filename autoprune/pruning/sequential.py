"""Sequential refit: layer by layer, with the pruned network's own inputs, toward the dense network's outputs.

He et al., ICCV 2017 ("whole model pruning"): errors that earlier layers made are seen
by later ones and repaired there, instead of adding up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from autoprune.pruning.features import enough_rows, input_rows, output_rows, pick_positions, positions, weight_matrix
from autoprune.pruning.hooks import removing
from autoprune.pruning.refit import NORMS, running_mean, set_offset
from autoprune.tracing.trace import Traced

_BATCH = 128


# A norm that passes less than this share of what its median channel passes cannot carry a shortcut's error.
_LEAST_GAIN = 0.05


@dataclass(frozen=True, slots=True)
class Effort:
    """How much a sequential refit looks at.

    Every layer is fitted on about `rows` output positions (at least eight a feature), and held to
    the weights it had as strongly as if these had been seen with `hold` of its inputs' mean variance.
    """

    rows: int
    hold: float


THOROUGH = Effort(rows=65536, hold=3e-3)


@dataclass(frozen=True, slots=True, eq=False)
class _Target:
    """What one layer of the dense network answered at the picked output positions.

    `rows` [n, O] is its output plus, where a shortcut is added behind it, the shortcut's value times
    `inverse_gain` [O] (what the layer must answer for the norm behind it to pass that value on).
    """

    rows: Tensor
    pick: Tensor | None
    dense_mean: Tensor | None  # running mean [O] of the norm behind the layer
    inverse_gain: Tensor | None

    def only(self, outputs: Tensor | None) -> _Target:
        """The target of a layer that keeps these outputs (None: all)."""
        if outputs is None:
            return self
        mean = None if self.dense_mean is None else self.dense_mean[outputs]
        gain = None if self.inverse_gain is None else self.inverse_gain[outputs]
        return _Target(self.rows[:, outputs], self.pick, mean, gain)


class SequentialRefit:
    """The dense network's answers at every refittable layer, and the pass that fits a pruned one to them.

    A layer whose output is added to a shortcut is fitted to the dense *sum*: what the shortcut has
    lost by earlier pruning is made up for as well (He et al., ICCV 2017, on multi-branch networks).
    """

    def __init__(
        self, dense: nn.Module, layers: Sequence[str], traced: Traced, inputs: Tensor, effort: Effort = THOROUGH
    ) -> None:
        self._norm_after, self._shortcuts = traced.norm_after, traced.shortcuts
        self._inputs, self._hold = inputs, effort.hold
        self._targets = _targets(dense, layers, traced, inputs, effort.rows)

    def __call__(self, small: nn.Module, kept_outputs: Mapping[str, Tensor], *, outside: Sequence[str] = ()) -> None:
        """Refit `small` in place in one forward pass: every layer is fitted just before it computes.

        `kept_outputs` gives, per layer, which of the dense output channels the small one still has
        (absent: all). Batch norms that follow no refitted layer take the statistics of their inputs.
        What lies in the modules `outside` stays as it is.
        """
        modules = dict(small.named_modules())
        arriving: dict[str, Tensor] = {}
        handles = [
            modules[name].register_forward_pre_hook(_remember(arriving, name))
            for name in dict.fromkeys(self._shortcuts.values())
        ]
        for name, target in self._targets.items():
            if not _within(name, outside):
                norm = modules.get(self._norm_after.get(name, ""))
                shortcut = partial(arriving.__getitem__, self._shortcuts[name]) if name in self._shortcuts else None
                fit = _Fit(target.only(kept_outputs.get(name)), norm, shortcut, self._hold)
                handles.append(modules[name].register_forward_pre_hook(fit))
        fitted = {self._norm_after[name] for name in self._targets if name in self._norm_after}
        for name, module in modules.items():
            if isinstance(module, NORMS) and name not in fitted and not _within(name, outside):
                handles.append(module.register_forward_pre_hook(_recompute))
        with torch.no_grad(), removing(handles):
            small(self._inputs)


def _within(name: str, modules: Sequence[str]) -> bool:
    return any(name.startswith(f"{module}.") for module in modules)


def _targets(
    dense: nn.Module, layers: Sequence[str], traced: Traced, inputs: Tensor, rows_wanted: int
) -> dict[str, _Target]:
    """Targets of each layer that runs once a pass, from one pass over `inputs`, images in order."""
    modules = dict(dense.named_modules())
    chunks = torch.split(inputs, _BATCH)
    gains = {
        name: _inverse_gain(modules.get(traced.norm_after.get(name, "")), weight_matrix(modules[name]).shape[1])
        for name in traced.shortcuts
        if name in layers
    }
    picks: dict[str, Tensor | None] = {}
    found: dict[str, list[Tensor]] = {name: [] for name in layers}
    arriving: dict[str, Tensor] = {}

    def watch(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, _: Any, out: Tensor) -> None:
            if name not in picks:
                enough = enough_rows(len(weight_matrix(module)), rows_wanted)
                picks[name] = pick_positions(len(inputs), positions(module, out), enough, seed=0)
            rows = output_rows(module, out, picks[name])
            if name in traced.shortcuts:
                shortcut = output_rows(module, arriving[traced.shortcuts[name]], picks[name])
                rows = rows + shortcut * gains[name]
            found[name].append(rows.clone())

        return hook

    handles = [
        modules[name].register_forward_pre_hook(_remember(arriving, name))
        for name in dict.fromkeys(traced.shortcuts.values())
    ]
    handles += [modules[name].register_forward_hook(watch(name)) for name in layers]
    with torch.no_grad(), removing(handles):
        for chunk in chunks:
            dense(chunk)
    means = {name: running_mean(dense, norm) for name, norm in traced.norm_after.items()}
    return {
        name: _Target(torch.cat(rows), picks[name], means.get(name), gains.get(name))
        for name, rows in found.items()
        if len(rows) == len(chunks)
    }


def _inverse_gain(norm: nn.Module | None, channels: int) -> Tensor:
    """One over what an (eval mode) batch norm multiplies each channel by [C]; 0 where that is next to nothing."""
    if not isinstance(norm, NORMS) or norm.running_var is None:
        return torch.ones(channels)
    scale = torch.rsqrt(norm.running_var + norm.eps)
    gain = scale if norm.weight is None else norm.weight.detach() * scale
    carries = gain.abs() > _LEAST_GAIN * gain.abs().median()
    return torch.where(carries, 1 / torch.where(carries, gain, torch.ones_like(gain)), torch.zeros_like(gain))


def _remember(arriving: dict[str, Tensor], name: str) -> Callable[..., None]:
    """Pre-forward hook: keep the layer's input under its name."""

    def hook(_: nn.Module, args: tuple[Any, ...]) -> None:
        arriving[name] = args[0]

    return hook


class _Fit:
    """Pre-forward hook of one layer: solve for its weights from the inputs that arrive."""

    def __init__(
        self, target: _Target, norm: nn.Module | None, shortcut: Callable[[], Tensor] | None, hold: float
    ) -> None:
        self._target, self._norm, self._shortcut, self._hold = target, norm, shortcut, hold

    def __call__(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        assert isinstance(module, nn.Linear | nn.Conv2d)
        x, y = input_rows(module, args[0], self._target.pick), self._wanted(module)
        mean_x, mean_y = x.mean(0, dtype=torch.float64), y.mean(0, dtype=torch.float64)
        covariance = (x.T @ x).double() / len(x) - torch.outer(mean_x, mean_x)
        cross = (x.T @ y).double() / len(x) - torch.outer(mean_x, mean_y)
        hold = self._hold * covariance.diagonal().mean() + 1e-10
        system = covariance + hold * torch.eye(len(mean_x), dtype=torch.float64)
        weight = torch.cholesky_solve(cross + hold * weight_matrix(module), torch.linalg.cholesky(system))
        module.weight.copy_(weight.T.reshape(module.weight.shape))
        set_offset(module, self._norm, self._target.dense_mean, mean_y - mean_x @ weight)

    def _wanted(self, module: nn.Module) -> Tensor:
        """Outputs [n, O] that lead to the dense network's sum with the shortcut as it is now."""
        gain = self._target.inverse_gain
        if self._shortcut is None or gain is None:
            return self._target.rows
        return self._target.rows - output_rows(module, self._shortcut(), self._target.pick) * gain


def _recompute(norm: nn.Module, args: tuple[Any, ...]) -> None:
    """Pre-forward hook: running statistics are those of what arrives."""
    x = args[0]
    axes = [a for a in range(x.ndim) if a != 1]
    if isinstance(norm, NORMS) and norm.running_mean is not None and norm.running_var is not None:
        norm.running_mean.copy_(x.mean(axes))
        norm.running_var.copy_(x.var(axes, unbiased=False))
