"""Comparisons over seeds: the spec once for each."""

from __future__ import annotations

from autoprune.errors import BadInput
from autoprune.spec import RunSpec


def one_a_seed(spec: RunSpec, seeds: int, compared: str) -> list[RunSpec]:
    """The spec with each of `seeds` seeds, counted from its own, in a study of its own.

    What a policy scores depends on the seed's images. Raises `BadInput` where there is no seed, or
    where something else than budgets limits the policies; `compared` is what is compared.
    """
    if seeds < 1:
        raise BadInput(f"a comparison needs at least 1 seed, got {seeds}")
    if spec.search.floor or spec.search.pareto or not (spec.search.budgets or spec.also):
        raise BadInput(
            f"{compared} are compared under budgets alone, without a floor or a front; give --budget latency=0.5x"
        )
    tree = spec.model_dump(mode="json", exclude_none=True)
    first = spec.search.seed
    return [
        RunSpec.parse({**tree, "name": f"{spec.name}-seed{seed}", "search": {**tree["search"], "seed": seed}})
        for seed in range(first, first + seeds)
    ]
