"""Which networks are looked at: every offered width of every group, small and large networks; seeded, free of torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autoprune.cost import Extent
from autoprune.profiler.plan.blueprint import Blueprint, units_of
from autoprune.space import Policy, SearchSpace

_LEVELS = (0.0, 0.25, 0.5, 0.75, 1.0)

# Runtimes lay channels out in blocks of up to so many: each length below may be executed in a way of its own.
_LARGEST_BLOCK = 32


def first_look(blueprint: Blueprint, seed: int) -> list[Policy]:
    """Policies that cover a network: every offered width of every group occurs, and every small sum of groups."""
    covering = covering_policies(blueprint.space, seed)
    return covering + small_sums(blueprint.space, covering, blueprint.candidates, seed)


def covering_policies(space: SearchSpace, seed: int) -> list[Policy]:
    """Policies among which every offered width of every group occurs, dense and smallest included.

    K of them, K the largest number of widths of any group, are a Latin hypercube (McKay et al.,
    1979): each group's widths are dealt out evenly in an order of its own. Five more keep every
    group at one level between the smallest and the dense network, so that total times spread.
    """
    rng = np.random.default_rng(seed)
    rounds = max((len(group.widths) for group in space.groups), default=1)
    columns = [_dealt(rng, group.widths, rounds) for group in space.groups]
    mixed = [Policy(tuple(column[k] for column in columns)) for k in range(rounds)]
    return list(dict.fromkeys([*level_policies(space), *mixed]))


def small_sums(space: SearchSpace, known: Sequence[Policy], lengths: Sequence[Extent], seed: int) -> list[Policy]:
    """Further policies, one for each small length that some sum of groups in `lengths` can have and not yet has.

    Widths that are drawn for each group add up to something small too seldom.
    """
    rng = np.random.default_rng(seed)
    found: list[Policy] = []
    for extent in lengths:
        if len(extent.terms) < 2:
            continue
        had = {extent.at(units_of(space, policy)) for policy in (*known, *found)}
        for length, widths in sorted(_ways(rng, space, extent).items()):
            if length not in had:
                drawn = {g: int(rng.choice(group.widths)) for g, group in enumerate(space.groups)} | widths
                found.append(Policy(tuple(drawn[g] for g in range(len(space)))))
    return found


def _ways(rng: np.random.Generator, space: SearchSpace, extent: Extent) -> dict[int, dict[int, int]]:
    """Every length up to the largest block that `extent` can have, with widths of its groups that give it."""
    ways: dict[int, dict[int, int]] = {extent.fixed: {}}
    for group, positions in extent.terms:
        longer: dict[int, dict[int, int]] = {}
        for width in rng.permutation(space.groups[group].widths).tolist():
            for length, widths in ways.items():
                total = length + positions * width // space.groups[group].unit
                if total <= _LARGEST_BLOCK:
                    longer.setdefault(total, {**widths, group: width})
        ways = longer
    return ways


def level_policies(space: SearchSpace) -> list[Policy]:
    """Networks that keep every group at one level: dense, three quarters, half, a quarter, smallest."""
    level = [Policy(tuple(g.widths[round(at * (len(g.widths) - 1))] for g in space.groups)) for at in _LEVELS]
    return list(dict.fromkeys(level[::-1]))


def _dealt(rng: np.random.Generator, widths: tuple[int, ...], rounds: int) -> list[int]:
    times = -(-rounds // len(widths))
    return [widths[i] for deal in range(times) for i in rng.permutation(len(widths))][:rounds]


def random_policies(space: SearchSpace, count: int, seed: int | tuple[int, ...]) -> list[Policy]:
    """`count` policies of offered widths, different ones as far as the space has so many.

    Each has a level of its own between the smallest and the dense network, around which its groups
    scatter: drawing every group independently would give networks that all cost about the same.
    """
    rng = np.random.default_rng(seed)
    drawn: dict[Policy, None] = {}
    for _ in range(20 * count):
        if len(drawn) == count:
            break
        shares = np.clip(rng.uniform(0, 1) + rng.uniform(-0.4, 0.4, size=len(space)), 0, 1)
        places = [round(share * (len(g.widths) - 1)) for share, g in zip(shares, space.groups, strict=True)]
        drawn[Policy(tuple(g.widths[place] for g, place in zip(space.groups, places, strict=True)))] = None
    return list(drawn)
