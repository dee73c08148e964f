"""What a table says about one of its networks beyond what is written in it; free of torch."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from autoprune.errors import BadInput
from autoprune.profiler.table.latency_table import LatencyTable
from autoprune.profiler.table.network_profile import NetworkProfile, ProfiledGroup
from autoprune.profiler.table.prediction import Coverage, TimedPlan
from autoprune.profiler.table.stairs import Step, stair
from autoprune.tables.words import shape_text

_MOST_NAMED = 12


@dataclass(frozen=True, slots=True)
class Review:
    """One network of a table: where its predictions come from, and what each width of each group costs.

    `stairs` are in the order of the groups, each with its smallest width first.
    """

    digest: str
    profile: NetworkProfile
    coverage: Coverage
    stairs: tuple[tuple[Step, ...], ...]

    @classmethod
    def of(cls, table: LatencyTable, digest: str) -> Self:
        """The network `digest` of `table`; raises `BadInput` where the table does not hold it."""
        profile = table.network(digest)
        timed = TimedPlan.of(table, digest, profile.space)
        stairs = tuple(stair(timed, index) for index in range(len(profile.groups)))
        return cls(digest, profile, timed.coverage(), stairs)

    @property
    def measured_widths(self) -> int:
        """Widths that were measured, over all groups."""
        return sum(map(len, self.stairs))

    @property
    def offered_widths(self) -> int:
        """Those of them that are worth offering."""
        return sum(step.worth_offering for steps in self.stairs for step in steps)


def find_network(table: LatencyTable, wanted: str) -> str:
    """The digest of the network that `wanted` names: by its name, or by the digest or how that begins.

    Raises `BadInput` where there is none, or several.
    """
    found = [d for d, network in table.networks.items() if network.name == wanted or (wanted and d.startswith(wanted))]
    if len(found) == 1:
        return found[0]
    if not found:
        names = [*dict.fromkeys(network.name for network in table.networks.values()), *table.networks]
        raise BadInput(f"the table holds no network {wanted!r}; {_hint(wanted, names, _named(table))}")
    raise BadInput(f"{wanted!r} names {len(found)} networks of the table; give one's digest: {_named(table, found)}")


def find_group(table: LatencyTable, layer: str, network: str | None = None) -> tuple[str, int]:
    """The (network's digest, index among its groups) of the channel group `layer`, in `network` where one is named.

    Raises `BadInput` where no such group is there, or several networks have one.
    """
    digests = list(table.networks) if network is None else [find_network(table, network)]
    having = [digest for digest in digests if layer in _names(table.networks[digest].groups)]
    if len(having) == 1:
        return having[0], _names(table.networks[having[0]].groups).index(layer)
    if not having:
        names = list(dict.fromkeys(name for digest in digests for name in _names(table.networks[digest].groups)))
        raise BadInput(f"no network of the table has a channel group {layer!r}; {_hint(layer, names, _listed(names))}")
    raise BadInput(
        f"{len(having)} networks of the table have a channel group {layer!r}; "
        f"choose with --network: {_named(table, having)}"
    )


def _names(groups: Sequence[ProfiledGroup]) -> list[str]:
    return [group.name for group in groups]


def _named(table: LatencyTable, digests: Sequence[str] | None = None) -> str:
    chosen = list(table.networks) if digests is None else list(digests)
    described = (f"{d} ({table.networks[d].name} at {shape_text(table.networks[d].input_shape)})" for d in chosen)
    return _listed(list(described))


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return (", ".join(names[:_MOST_NAMED]) or "none") + more


def _hint(wanted: str, known: Sequence[str], listed: str) -> str:
    near = difflib.get_close_matches(wanted, known, n=3)
    return f"did you mean {' or '.join(near)}?" if near else f"it has {listed}"
