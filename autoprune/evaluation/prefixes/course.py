"""How networks pass over one set of images, each from where an earlier one has been."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from autoprune.evaluation.images import ImageSet
from autoprune.evaluation.prefixes.activations import Activations, Images
from autoprune.evaluation.prefixes.cuts import find_cuts
from autoprune.evaluation.prefixes.resuming import Cut, Reached, Resumable
from autoprune.evaluation.prefixes.sameness import Digester
from autoprune.evaluation.prefixes.thinning import thinned

KEPT_BYTES = 2**29
"""Of activations, unless said otherwise."""

_SEEN = 2**14  # digests that are remembered
_PROOF = 2  # images that a cut is proven on; and others, one more, that pass in between

Run = Callable[[Tensor, Images], object]
"""Maps the inputs of a batch, and which images these are, to a network's answer."""


class Prefixes:
    """What networks made of `images` at their cuts, for those to come that begin alike.

    What two networks share is found by digests of all that decides an answer, whatever the reason.
    It is kept when it comes for the second time, as most never does, in at most `most_bytes` (0:
    nothing is kept). One network gets two thirds of them, so that others find room beside it.

    Networks whose modules have the same names and classes are taken to run the same code.
    """

    def __init__(self, images: ImageSet, most_bytes: int = KEPT_BYTES) -> None:
        self._images, self._most_bytes = images, most_bytes
        self._activations, self._digester = Activations(most_bytes), Digester()
        self._cuts: dict[tuple[tuple[str, type], ...], tuple[Cut, ...]] = {}
        self._seen: OrderedDict[bytes, None] = OrderedDict()

    def course(self, network: nn.Module) -> Course:
        """The course of `network`, which is in eval mode."""
        cuts = self._cuts_of(network) if self._most_bytes else ()
        digests = self._digester.digests(network, [cut.decided_by for cut in cuts])
        shared = [(cut, digest) for cut, digest in zip(cuts, digests, strict=False) if digest in self._seen]
        self._remember(digests)
        return Course(network, shared, self._activations)

    def _cuts_of(self, network: nn.Module) -> tuple[Cut, ...]:
        structure = tuple((name, type(module)) for name, module in network.named_modules())
        if structure not in self._cuts:
            self._cuts[structure] = self._found(network)
        return self._cuts[structure]

    def _found(self, network: nn.Module) -> tuple[Cut, ...]:
        if len(self._images) < 2 * _PROOF + 1:
            return ()
        images, _ = self._images.batch(torch.arange(_PROOF))
        others, _ = self._images.batch(torch.arange(_PROOF, 2 * _PROOF + 1))
        return thinned(find_cuts(network, images, others), len(self._images), 2 * self._most_bytes // 3)

    def _remember(self, digests: Iterable[bytes]) -> None:
        for digest in digests:
            self._seen[digest] = None
            self._seen.move_to_end(digest)
        while len(self._seen) > _SEEN:
            self._seen.popitem(last=False)


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """How one network passes over the images: for each batch from the last cut that is known of it.

    `shared` are the cuts at which another network came by with the same digest.
    """

    network: nn.Module
    shared: Sequence[tuple[Cut, bytes]] = ()
    activations: Activations = field(default_factory=lambda: Activations(0))

    def runner(self) -> Run:
        """The network for one thread."""
        resumable = Resumable(self.network, [cut for cut, _ in self.shared])
        digests = dict(self.shared)

        def run(inputs: Tensor, images: Images) -> object:
            def keep(cut: Cut, reached: Reached) -> None:
                self.activations.keep(digests[cut], images, reached, digests.values())

            known = ((cut, self.activations.find(digest, images)) for cut, digest in reversed(self.shared))
            begin = next(((cut, reached) for cut, reached in known if reached is not None), None)
            return resumable(inputs, begin, keep)

        return run
