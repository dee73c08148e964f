"""Reconstruction: the blocks of a pruned network learn, without labels, to answer as the dense network's do.

A least-squares refit is exact for one layer, but what passes between two layers of a block is still
a subset of the dense network's channels. Here both sides of them are trained together, block by
block, on the block's own inputs in the pruned network, toward the dense block's outputs; then all blocks
are trained together toward the last one's. BRECQ (Li et al., ICLR 2021) does either for
quantised weights. No label is seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from queue import Queue
from threading import Event, Thread
from typing import Any

import torch
from torch import Tensor, nn

from autoprune.pruning.blocks import Block
from autoprune.pruning.hooks import removing
from autoprune.pruning.learning import Steps, learn, least

_MOST_BYTES = 2**29  # of what one block reads or answers, over all images
_CHUNK = 256  # images that the dense network answers at a time

OnBlock = Callable[[int, int, str], None]
"""Told how many blocks are done, of how many, and the name of the last one."""


def reconstruct(
    small: nn.Module,
    dense: nn.Module,
    blocks: Sequence[Block],
    inputs: Tensor,
    kept_outputs: Mapping[str, Tensor],
    steps: Steps,
    *,
    seed: int,
    on_block: OnBlock | None = None,
) -> None:
    """Train the `blocks` of `small` in place, in the order in which they run, in one pass over `inputs` [N, ...].

    Both networks are in eval mode. Of a block that lost output channels (axis 1), `kept_outputs` gives
    those that are left. A block keeps its new weights only where they bring it closer to the dense
    block on images that it was not trained on. As many of the images are used as half a gigabyte
    holds of what a block reads.
    """
    images = inputs[: _affordable(blocks)]
    generator = torch.Generator().manual_seed(seed)
    modules = dict(small.named_modules())
    done = 0

    def hook(block: Block, targets: Iterator[Tensor]) -> Callable[..., None]:
        def train(module: nn.Module, args: tuple[Any, ...]) -> None:
            nonlocal done
            target = _left(next(targets), block, kept_outputs)
            learn(module, _weights(module), args[0], target, steps, generator)
            done += 1
            if on_block is not None:
                on_block(done, len(blocks), block.name)

        return train

    with _answers(dense, blocks, images) as targets:
        handles = [modules[block.name].register_forward_pre_hook(hook(block, targets)) for block in blocks]
        with torch.no_grad(), removing(handles):
            small(images)


def reconstruct_together(
    small: nn.Module,
    dense: nn.Module,
    blocks: Sequence[Block],
    inputs: Tensor,
    kept_outputs: Mapping[str, Tensor],
    steps: Steps,
    *,
    seed: int,
) -> None:
    """Train all `blocks` of `small` in place, together, toward what the last one of the dense network answers.

    What the blocks before it still get wrong is made up for here, as far as that matters to the last.
    Before they were trained one by one this fails: a ResNet-56 leaves the place that refits brought it to.
    See `reconstruct` for the arguments and for what is kept.
    """
    images, last = inputs[: _affordable(blocks)], blocks[-1]
    whole = _UpTo(dense, last.name)
    with torch.no_grad():
        answers = torch.cat([_left(whole(chunk), last, kept_outputs) for chunk in torch.split(images, _CHUNK)])
        weights = [w for block in blocks for w in _weights(small.get_submodule(block.name))]
        learn(_UpTo(small, last.name), weights, images, answers, steps, torch.Generator().manual_seed(seed))


def _affordable(blocks: Sequence[Block]) -> int:
    return least(_MOST_BYTES // (4 * max((b.floats for b in blocks), default=1)))


def _left(answer: Tensor, block: Block, kept_outputs: Mapping[str, Tensor]) -> Tensor:
    """Of what a dense block answers [N, C, ...] the channels that the small one still has."""
    kept = kept_outputs.get(block.name)
    return answer if kept is None else answer.index_select(1, kept)


def _weights(module: nn.Module) -> list[Tensor]:
    return [p for p in module.parameters() if p.is_floating_point()]


class _UpTo(nn.Module):
    """A network up to the end of one of its modules: what that module makes of the network's inputs."""

    def __init__(self, network: nn.Module, name: str) -> None:
        super().__init__()
        self.network, self._end = network, network.get_submodule(name)

    def forward(self, inputs: Tensor) -> Tensor:
        made: list[Tensor] = []
        with removing([self._end.register_forward_hook(lambda _, __, out: made.append(out))]):
            self.network(inputs)
        return made[0]


@contextmanager
def _answers(dense: nn.Module, blocks: Sequence[Block], inputs: Tensor) -> Iterator[Iterator[Tensor]]:
    """What each block of the dense network makes of `inputs`, in order, computed while they are asked for.

    The dense network runs in a thread of its own, at most one block ahead, so that two blocks'
    answers are in memory and not all of them.
    """
    answers: Queue[Tensor | BaseException] = Queue(maxsize=1)
    given_up = Event()
    modules = dict(dense.named_modules())

    def hand_over(_: nn.Module, __: Any, out: Tensor) -> None:
        answers.put(out)
        if given_up.is_set():
            raise _GivenUp

    def run() -> None:
        handles = [modules[block.name].register_forward_hook(hand_over) for block in blocks]
        try:
            with torch.no_grad(), removing(handles):
                dense(inputs)
        except _GivenUp:
            pass
        except BaseException as error:
            answers.put(error)

    def answered() -> Iterator[Tensor]:
        while True:
            answer = answers.get()
            if isinstance(answer, BaseException):
                raise answer
            yield answer

    thread = Thread(target=run, daemon=True)
    thread.start()
    try:
        yield answered()
    finally:
        given_up.set()
        while thread.is_alive():
            if not answers.empty():
                answers.get()
            thread.join(timeout=0.01)


class _GivenUp(Exception):
    """Nobody waits for the dense network's answers any more."""
