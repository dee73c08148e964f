from __future__ import annotations

from dataclasses import replace

from searcher_contract import InformedContract
from toy import TOY, toy_problem

from autoprune.searchers.widths.sensitivity import SensitivitySearcher
from autoprune.trial import Trial


class TestSensitivity(InformedContract):
    name = "sensitivity"

    def test_another_seed_other_trials(self) -> None:
        """It draws nothing."""
        assert self.found("macs=0.4x", seed=3) == self.found("macs=0.4x", seed=4)


def test_a_round_cuts_each_group_alone_and_then_all_to_a_threshold() -> None:
    kept: list[Trial] = []
    SensitivitySearcher().search(toy_problem("macs=0.4x", trials=7, kept=kept))
    first, *cuts, threshold = kept
    changed = [[g for g in range(5) if cut.policy.widths[g] != first.policy.widths[g]] for cut in cuts]
    assert sorted(changed) == [[g] for g in range(5)]
    assert threshold.reward > first.reward + 0.05


def test_curves_are_learned_without_any_foreseen_damage() -> None:
    """The sensitive groups of the toy network keep more than the others."""
    kept: list[Trial] = []
    SensitivitySearcher().search(replace(toy_problem("macs=0.4x", trials=7, kept=kept), damages=()))
    ratios = TOY.space().ratios(kept[-1].policy)
    assert min(ratios[1], ratios[3]) > max(ratios[0], ratios[2])
