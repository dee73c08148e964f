"""What holds for every criterion: a contract, on random evidence and on small real networks."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch
from evidence_example import DEAD, TWINS, UNITS, evidence_of, first_group, images, random_evidence, renamed
from torch import nn
from zoo import ZOO, Case

from autoprune.criteria.criterion import Criterion, Need, criteria, find_criterion, needs_of
from autoprune.criteria.evidence import Evidence
from autoprune.errors import BadInput
from autoprune.pruning import Pruner
from autoprune.spec import CRITERIA
from autoprune.tracing import trace

NAMES = tuple(criteria())
KNOWING = tuple(name for name in NAMES if name != "random")
REDUNDANCY = ("cosine", "correlation", "clusters", "elimination", "obs", "lasso")
# Networks with a loss, those that answer with one number a class; of the ways to write a shortcut one is enough.
_LEFT_OUT = re.compile(r"decoder|shortcut (with|padded)")
CLASSIFIERS = {name: case for name, case in ZOO.items() if case.groups and not _LEFT_OUT.match(name)}


def test_a_spec_knows_the_criteria_that_there_are() -> None:
    assert NAMES == CRITERIA


class TestContract:
    """`make` a criterion of its name; every test is run for each that is registered."""

    @pytest.mark.parametrize("name", NAMES)
    def test_it_says_what_it_is_what_it_needs_and_where_it_is_from(self, name: str) -> None:
        one = find_criterion(name)
        assert one.summary
        assert re.search(r"[A-Z].* \d{4}", one.source)
        assert len(one.source) <= 100
        assert one.needs.words
        assert (one.score.__doc__ or "").startswith(one.summary)

    @pytest.mark.parametrize("name", NAMES)
    def test_every_unit_has_a_finite_score_and_the_same_evidence_the_same(self, name: str) -> None:
        one = find_criterion(name)
        scores = one.scores(random_evidence())
        assert scores.shape == (UNITS,)
        assert scores.dtype == torch.float64
        assert torch.isfinite(scores).all()
        assert torch.equal(scores, one.scores(random_evidence()))

    @pytest.mark.parametrize("name", KNOWING)
    @pytest.mark.parametrize("seed", [0, 1, 2])
    def test_renaming_the_units_renames_the_scores(self, name: str, seed: int) -> None:
        one, evidence = find_criterion(name), random_evidence(seed)
        names = torch.randperm(UNITS, generator=torch.Generator().manual_seed(seed)).tolist()
        torch.testing.assert_close(one.scores(renamed(evidence, names)), one.scores(evidence)[names])

    @pytest.mark.parametrize("name", [n for n in KNOWING if n != "movement"])
    def test_a_dead_channel_goes_first(self, name: str) -> None:
        """Zero going in, in its norm and coming out: nothing reaches it, and nothing comes of it."""
        scores = find_criterion(name).scores(first_group("dead"))
        others = torch.cat([scores[:DEAD], scores[DEAD + 1 :]])
        assert scores[DEAD] < others.min()
        assert find_criterion(name).rank(first_group("dead")).order[0] == DEAD

    def test_what_shrinks_in_every_step_is_dead_to_movement(self) -> None:
        """A filter of zeros does not move; the one that fine-tuning takes away does."""
        evidence = random_evidence()
        moved = tuple(own.clone() for own in evidence.movement or ())
        for own in moved:
            own[DEAD] = -10.0
        assert find_criterion("movement").scores(replace(evidence, movement=moved)).argmin() == DEAD
        assert find_criterion("movement").scores(first_group("dead"))[DEAD] == 0

    @pytest.mark.parametrize("name", REDUNDANCY)
    def test_one_of_two_alike_goes_first_though_both_matter(self, name: str) -> None:
        scores = find_criterion(name).scores(first_group("twins"))
        assert int(scores.argmin()) in TWINS

    @pytest.mark.parametrize("name", ["cosine", "correlation", "clusters"])
    def test_the_other_of_two_alike_counts_as_if_it_had_always_been_alone(self, name: str) -> None:
        scores = find_criterion(name).scores(first_group("twins"))
        first, second = sorted(float(scores[unit]) for unit in TWINS)
        assert first < 1e-6
        assert second > 0.01

    @pytest.mark.parametrize("name", NAMES)
    def test_a_linear_layer_and_a_convolution_of_one_pixel_agree(self, name: str) -> None:
        x, labels = images()
        flat = x[:, :, :2].flatten(1)
        linear, convolution = both_ways(flat.shape[1])
        of_linear = evidence_of(linear, flat, labels)[0]
        of_convolution = evidence_of(convolution, flat[:, :, None, None], labels)[0]
        expected, got = (find_criterion(name).scores(own) for own in (of_linear, of_convolution))
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-7)

    @pytest.mark.parametrize("name", NAMES)
    def test_the_damage_on_the_way_is_that_of_the_order_alone(self, name: str) -> None:
        """It begins at nothing, never falls, and ends where all is gone: whoever put the units in order."""
        evidence = first_group("plain")
        damage = find_criterion(name).rank(evidence).damage
        assert damage[0] == 0
        assert damage[-1] == pytest.approx(find_criterion("elimination").rank(evidence).damage[-1], rel=1e-6)
        assert find_criterion("elimination").rank(evidence).damage[UNITS // 2] <= damage[UNITS // 2] + 1e-12


def both_ways(features: int) -> tuple[nn.Module, nn.Module]:
    """One network of linear layers, and of convolutions over one pixel."""
    torch.manual_seed(0)
    linear = nn.Sequential(nn.Linear(features, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4))
    convolution = nn.Sequential(
        nn.Conv2d(features, 8, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 1), nn.Flatten()
    )
    with torch.no_grad():
        for ours, theirs in zip(convolution.parameters(), linear.parameters(), strict=True):
            ours.copy_(theirs.view_as(ours))
    return linear.eval(), convolution.eval()


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_every_criterion_ranks_every_group_or_says_why_not(name: str) -> None:
    every = list(criteria().values())
    for evidence in evidence_of_case(CLASSIFIERS[name]):
        for one in every:
            if lacks(one, evidence) and not one.partial:
                with pytest.raises(BadInput, match=rf"cannot rank {re.escape(evidence.group)}: .* --criterion"):
                    one.scores(evidence)
            else:
                assert one.scores(evidence).shape == (evidence.units,)


def evidence_of_case(case: Case) -> tuple[Evidence, ...]:
    """Evidence of every group of a network of the zoo, from eight images with random labels."""
    model, generator = case.model(), torch.Generator().manual_seed(2)
    x = torch.randn(8, *case.shape[1:], generator=generator)
    traced = trace(model, case.example())
    with torch.no_grad():
        classes = model(x[:1]).shape[1]
    labels = torch.randint(0, classes, (8,), generator=generator)
    return Pruner(model, traced, x, labels=labels).evidence(needs_of(list(criteria().values())))


def lacks(one: Criterion, evidence: Evidence) -> bool:
    return (Need.NORMS in one.needs and not evidence.scales) or (Need.MOMENTS in one.needs and not evidence.consumers)


def test_a_name_that_there_is_not_is_told_with_its_neighbour() -> None:
    with pytest.raises(BadInput, match="did you mean 'taylor'"):
        find_criterion("tailor")
    with pytest.raises(BadInput, match="autoprune criteria list"):
        find_criterion("best")


def test_scores_that_are_not_finite_are_refused() -> None:
    evidence = random_evidence()
    broken = replace(evidence.weights[0], matrix=evidence.weights[0].matrix * torch.inf)
    with pytest.raises(BadInput, match="not finite"):
        find_criterion("l1").scores(replace(evidence, weights=(broken,)))


def test_every_name_of_the_textbook_is_there() -> None:
    weights = {"random", "l0", "l1", "l2", "fpgm", "cosine", "weight-entropy", "bn-gamma", "lamp"}
    loss = {"taylor", "taylor2", "taylor-second-order", "fisher", "movement", "snip", "obd", "obs"}
    activations = {"mean-activation", "variance", "apoz", "wanda", "activation-entropy", "correlation", "clusters"}
    assert set(NAMES) == weights | loss | activations | {"thinet", "lasso", "elimination", "dcp", "lda"}
