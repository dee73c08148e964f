"""Pruned copies of a network that were made beforehand: what a device without torch has; free of torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Self
from zipfile import ZipFile

from autoprune.cost import Extent
from autoprune.errors import BadInput
from autoprune.profiler.plan.blueprint import Blueprint
from autoprune.profiler.runtime.skeleton import Skeleton, Weight
from autoprune.space import ChannelGroup, FrozenGroup, Policy, SearchSpace

_BLUEPRINT: Final = "blueprint.json"
_NETWORKS: Final = "networks.json"
_MODELS: Final = "models.bin"


@dataclass(frozen=True)
class PackedNetworks:
    """Networks of some policies, without their weights; they are `Networks` that a profiler can be handed."""

    blueprint: Blueprint
    skeletons: Mapping[Policy, Skeleton]

    def __call__(self, policy: Policy) -> bytes:
        """The network of `policy` as a serialised ONNX model; raises `BadInput` where it was not packed."""
        skeleton = self.skeletons.get(policy)
        if skeleton is None:
            raise BadInput(
                f"the network with widths {list(policy.widths)} is not among the {len(self.skeletons)} in the kit; "
                "export a kit that holds it (autoprune profile --export-kit)"
            )
        return skeleton.filled()

    def files(self) -> dict[str, bytes]:
        """All of it as the contents of files, by name.

        Copies of one network differ in a few bytes or in the shapes of their weights only. So equal
        models and equal lists of weights are written once, and all models into one file, where
        deflating finds what they share.
        """
        models = list(dict.fromkeys(skeleton.model for skeleton in self.skeletons.values()))
        weights = list(dict.fromkeys(_named(skeleton) for skeleton in self.skeletons.values()))
        model_at, weights_at = ({one: i for i, one in enumerate(ones)} for ones in (models, weights))
        networks = [
            {
                "widths": policy.widths,
                "model": model_at[skeleton.model],
                "weights": weights_at[_named(skeleton)],
                "shapes": [weight.shape for weight in skeleton.weights],
            }
            for policy, skeleton in self.skeletons.items()
        ]
        index = {"models": [len(model) for model in models], "weights": weights, "networks": networks}
        return {_BLUEPRINT: _json(asdict(self.blueprint)), _NETWORKS: _json(index), _MODELS: b"".join(models)}

    @classmethod
    def read(cls, archive: ZipFile) -> Self:
        """The networks in an archive that holds their `files`."""
        index = json.loads(archive.read(_NETWORKS))
        models = _cut(archive.read(_MODELS), index["models"])
        skeletons = {
            Policy(tuple(network["widths"])): Skeleton(
                models[network["model"]],
                tuple(
                    Weight(name, kind, tuple(shape))
                    for (name, kind), shape in zip(index["weights"][network["weights"]], network["shapes"], strict=True)
                ),
            )
            for network in index["networks"]
        }
        return cls(_blueprint(json.loads(archive.read(_BLUEPRINT))), skeletons)


def _named(skeleton: Skeleton) -> tuple[tuple[str, int], ...]:
    """What the weights of copies have in common: names and element types."""
    return tuple((weight.name, weight.kind) for weight in skeleton.weights)


def _cut(joined: bytes, lengths: list[int]) -> list[bytes]:
    """`joined` in pieces of these lengths."""
    pieces, start = [], 0
    for length in lengths:
        pieces.append(joined[start : start + length])
        start += length
    return pieces


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _blueprint(told: dict[str, Any]) -> Blueprint:
    groups = (
        ChannelGroup(g["name"], g["width"], tuple(g["widths"]), tuple(g["layers"]), g["unit"])
        for g in told["space"]["groups"]
    )
    frozen = (FrozenGroup(**group) for group in told["space"]["frozen"])
    candidates = (Extent(e["fixed"], tuple((group, n) for group, n in e["terms"])) for e in told["candidates"])
    return Blueprint(
        name=told["name"],
        digest=told["digest"],
        input_shape=tuple(told["input_shape"]),
        space=SearchSpace(tuple(groups), tuple(frozen)),
        candidates=tuple(candidates),
    )
