"""Which searchers there are: those of this folder, and any package's by entry point.

A package offers a searcher in its pyproject.toml, after which an agent file may name it:

    [project.entry-points."autoprune.searchers"]
    bandit = "my_package.bandit:BanditSearcher"
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from autoprune.errors import BadInput
from autoprune.trial import Searcher

ENTRY_POINT_GROUP = "autoprune.searchers"

BUILTIN: Mapping[str, str] = {
    "uniform": "autoprune.searchers.uniform:UniformSearcher",
    "random": "autoprune.searchers.random_search:RandomSearcher",
    "evolution": "autoprune.searchers.shapes.evolution:EvolutionSearcher",
    "nsga2": "autoprune.searchers.shapes.nsga2:Nsga2Searcher",
    "tpe": "autoprune.searchers.shapes.tpe:TpeSearcher",
    "gp": "autoprune.searchers.shapes.gp:GpSearcher",
    "knapsack": "autoprune.searchers.widths.knapsack:KnapsackSearcher",
    "sensitivity": "autoprune.searchers.widths.sensitivity:SensitivitySearcher",
    "netadapt": "autoprune.searchers.widths.netadapt:NetAdaptSearcher",
    "annealing": "autoprune.searchers.widths.annealing:AnnealingSearcher",
    "genetic": "autoprune.searchers.widths.genetic:GeneticSearcher",
    "ddpg": "autoprune.searchers.reinforcement.ddpg:DdpgSearcher",
    "td3": "autoprune.searchers.reinforcement.td3:Td3Searcher",
    "sac": "autoprune.searchers.reinforcement.sac:SacSearcher",
    "ppo": "autoprune.searchers.reinforcement.ppo:PpoSearcher",
}


def known_searchers() -> dict[str, EntryPoint]:
    """Every searcher by name, none of them imported; raises `BadInput` where two packages claim one name."""
    known = {name: EntryPoint(name, path, ENTRY_POINT_GROUP) for name, path in BUILTIN.items()}
    for point in entry_points(group=ENTRY_POINT_GROUP):
        other = known.setdefault(point.name, point)
        if other.value != point.value:
            raise BadInput(
                f"two searchers are called {point.name!r}: {other.value} and {point.value}; "
                f"rename or uninstall one of them (known: {', '.join(sorted(known))})"
            )
    return known


def build_searcher(name: str, settings: Mapping[str, Any]) -> Searcher:
    """The searcher `name` with these settings; imports that searcher only.

    Raises `BadInput` that lists what is known for an unknown name or setting, and says why a
    package's searcher cannot be imported.
    """
    known = known_searchers()
    if name not in known:
        raise BadInput(f"unknown searcher {name!r}; choose from {', '.join(sorted(known))}")
    try:
        make: Callable[..., Searcher] = known[name].load()
    except (ImportError, AttributeError) as error:
        raise BadInput(f"searcher {name!r} ({known[name].value}) cannot be imported: {error}") from error
    _require_known(name, make, settings)
    return make(**settings)


def _require_known(name: str, make: Callable[..., Searcher], settings: Mapping[str, Any]) -> None:
    parameters = inspect.signature(make).parameters
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        return  # it takes any keyword, so it must check them itself
    unknown = sorted(set(settings) - set(parameters))
    if unknown:
        raise BadInput(
            f"searcher {name!r} has no setting {', '.join(map(repr, unknown))}; "
            f"it knows {', '.join(sorted(parameters)) or 'none'}"
        )
