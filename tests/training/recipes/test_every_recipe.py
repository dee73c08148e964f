"""What any recipe must do: the same tests for each of the registry."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import torch
from small_context import EXAMPLE, context, sending

from autoprune.deploy.onnx_file.export import export_onnx
from autoprune.deploy.onnx_file.parity import require_parity
from autoprune.models import fingerprint
from autoprune.training.recipes import RECIPES, Pruned


@cache
def ended(name: str) -> tuple[Pruned, torch.nn.Module]:
    """The recipe's network before and after recovery."""
    pruned = RECIPES[name].prune(context())
    return pruned, RECIPES[name].recover(context(), pruned)


@pytest.mark.parametrize("name", RECIPES)
class TestEveryRecipe:
    """The contract of a recipe."""

    def test_it_ends_in_a_policy_that_keeps_the_budgets(self, name: str) -> None:
        pruned, _ = ended(name)
        assert pruned.policy in context().feasible
        for units, width, group in zip(pruned.kept, pruned.policy.widths, context().feasible.space.groups, strict=True):
            assert len(units) * group.unit == width
            assert (units[1:] > units[:-1]).all()

    def test_the_network_has_the_shapes_that_slicing_gives(self, name: str) -> None:
        pruned, recovered = ended(name)
        sliced = context().traced.slice(context().dense, pruned.kept)
        shapes = {key: p.shape for key, p in sliced.named_parameters() if p.ndim > 1}
        for network in (pruned.network, recovered):
            assert {key: p.shape for key, p in network.named_parameters() if p.ndim > 1} == shapes

    def test_it_answers_and_needs_nothing_of_the_recipe(self, name: str) -> None:
        for network in ended(name)[0].network, ended(name)[1]:
            assert not any(module.training for module in network.modules())
            assert bool(torch.isfinite(network(EXAMPLE)).all())

    def test_it_runs_in_onnx_runtime(self, name: str, tmp_path: Path) -> None:
        _, recovered = ended(name)
        export_onnx(recovered, EXAMPLE, tmp_path / "model.onnx")
        require_parity(recovered, tmp_path / "model.onnx", EXAMPLE)

    def test_the_same_elsewhere_is_the_same_network_and_the_dense_one_stays(self, name: str) -> None:
        first, _ = ended(name)
        before, state = fingerprint(context().dense), torch.get_rng_state()
        again = RECIPES[name].prune(sending(context()))
        assert fingerprint(again.network) == fingerprint(first.network)
        assert fingerprint(context().dense) == before
        assert torch.equal(torch.get_rng_state(), state)
