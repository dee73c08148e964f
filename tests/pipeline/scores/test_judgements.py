"""What was judged is kept: found again by whoever asks for the same, and by nobody else."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from toy import toy_space

from autoprune.objective import Quality
from autoprune.pipeline.costs.costing import cost_policies
from autoprune.pipeline.scores.judgements import Judgements, judged_under
from autoprune.pipeline.scores.judging import Judge
from autoprune.pipeline.scores.scoring import Scoring
from autoprune.pipeline.subject import Subject, prepare
from autoprune.progress import Silent
from autoprune.pruning import Pruner
from autoprune.searchers.ledger import Ledger
from autoprune.space import Policy
from autoprune.spec import RunSpec

SMALL, DENSE = toy_space().smallest(), toy_space().dense()
QUALITY = Quality(0.9, 0.95, 0.1)


def ledger(folder: Path) -> Ledger:
    return Ledger(folder / "study.db", "toy", "f")


@pytest.mark.parametrize("quality", [QUALITY, Quality(0.0, 0.0, math.inf), Quality(math.nan, math.nan, math.nan)])
def test_another_process_finds_what_was_kept(quality: Quality, tmp_path: Path) -> None:
    Judgements(ledger(tmp_path), "here").keep(SMALL, quality)
    again = Judgements(ledger(tmp_path), "here")
    assert repr(again.find(SMALL)) == repr(quality)  # under which NaN equals itself
    assert again.find(DENSE) is None


def test_nothing_is_found_under_other_conditions(tmp_path: Path) -> None:
    kept = ledger(tmp_path)
    Judgements(kept, "here").keep(SMALL, QUALITY)
    assert Judgements(kept, "there").find(SMALL) is None
    Judgements(kept, "there").keep(SMALL, Quality(0.1, 0.1, 2.0))
    assert Judgements(kept, "here").find(SMALL) == QUALITY


def test_who_may_only_read_keeps_nothing(tmp_path: Path) -> None:
    kept = ledger(tmp_path)
    Judgements(kept, "here", read_only=True).keep(SMALL, QUALITY)
    assert Judgements(kept, "here").find(SMALL) is None
    Judgements(kept, "here").keep(SMALL, QUALITY)
    assert Judgements(kept, "here", read_only=True).find(SMALL) == QUALITY


def spec(**sections: object) -> RunSpec:
    tree = {
        "model": {"name": "tiny:tiny_net"},
        "task": {"name": "digits", "calibration": 64, "validation": 64, "selection": 64},
        "search": {"budgets": ["macs=0.5x"], "reward": "kl"},
    }
    return RunSpec.parse({**tree, **sections})


@pytest.fixture(scope="module")
def subject() -> Subject:
    return prepare(spec(), None, Silent())


def test_conditions_are_the_network_the_images_and_the_seed(subject: Subject) -> None:
    network = subject.network
    same = judged_under(spec(), network)
    assert judged_under(spec(search={"budgets": ["macs=0.3x"], "trials": 7}), network) == same
    others = [
        judged_under(spec(task={"name": "digits", "selection": 65}), network),
        judged_under(spec(search={"budgets": ["macs=0.5x"], "seed": 1}), network),
        judged_under(spec(), prepare(spec(search={"budgets": ["macs=0.5x"], "seed": 1}), None, Silent()).network),
    ]
    assert len({same, *others}) == 4


def test_a_judge_refits_no_policy_that_any_judge_of_the_study_has_judged(
    subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refitted: list[Policy] = []
    apply = Pruner.apply

    def noting(self: Pruner, policy: Policy) -> object:
        refitted.append(policy)
        return apply(self, policy)

    monkeypatch.setattr(Pruner, "apply", noting)
    asked, space = spec(), subject.network.traced.space
    policies = [space.policy([share] * len(space)) for share in (0.3, 0.5, 0.7)]
    costing = cost_policies(subject.network, asked, None, Silent())
    choices = []
    for _ in range(2):
        scoring = Scoring.of(asked, subject, costing, tmp_path / "study.db", Silent())
        judge = Judge.of(scoring, asked.search, Silent())
        choices.append(judge.best([*policies, policies[0]]))
        assert [judge.judge(policy) for policy in policies] == list(choices[0].compared[:3])
    first, second = choices
    assert second.compared == first.compared
    assert refitted == [*policies, first.policy]  # the last for its tensors, which no ledger keeps
    for name, tensor in first.module.state_dict().items():
        assert tensor.equal(second.module.state_dict()[name])
