"""Block reconstruction: every block of a pruned network learns, without labels, to answer as the dense one's does.

A least-squares refit is exact for one layer, but what passes between two layers of a block is still
a subset of the dense network's channels. Here both sides of them are trained together, block by
block, on the block's own inputs in the pruned network, toward the dense block's outputs: BRECQ (Li et
al., ICLR 2021, section 3.2), which does this for quantised weights. Nothing is trained end to end.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from queue import Queue
from threading import Event, Thread
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autoprune.pruning.blocks import Block
from autoprune.pruning.hooks import removing
from autoprune.spec import ReconstructionSpec

_MOST_BYTES = 2**29  # of what one block reads or answers, over all images
_HELD_OUT = 8  # one image of so many judges whether a block has become better
_CHUNK = 256

OnBlock = Callable[[int, int, str], None]
"""Told how many blocks are done, of how many, and the name of the last one."""


def reconstruct(
    small: nn.Module,
    dense: nn.Module,
    blocks: Sequence[Block],
    inputs: Tensor,
    kept_outputs: Mapping[str, Tensor],
    settings: ReconstructionSpec,
    *,
    seed: int,
    on_block: OnBlock | None = None,
) -> None:
    """Train the `blocks` of `small` in place, in the order in which they run, in one pass over `inputs` [N, ...].

    Each takes `settings.steps` steps of Adam with a cosine schedule.

    Both networks are in eval mode. Of a block that lost output channels (axis 1), `kept_outputs` gives
    those that are left. A block keeps its new weights only where they bring
    it closer to the dense block on images that it was not trained on. As many of the images are used as
    half a gigabyte holds of what a block reads.
    """
    images = inputs[: max(_HELD_OUT, _MOST_BYTES // (4 * max((b.floats for b in blocks), default=1)))]
    generator = torch.Generator().manual_seed(seed)
    modules = dict(small.named_modules())
    done = 0

    def hook(block: Block, targets: Iterator[Tensor]) -> Callable[..., None]:
        def train(module: nn.Module, args: tuple[Any, ...]) -> None:
            nonlocal done
            target = next(targets)
            if block.name in kept_outputs:
                target = target.index_select(1, kept_outputs[block.name])
            _train(module, args[0], target, settings, generator)
            done += 1
            if on_block is not None:
                on_block(done, len(blocks), block.name)

        return train

    with _answers(dense, blocks, images) as targets:
        handles = [modules[block.name].register_forward_pre_hook(hook(block, targets)) for block in blocks]
        with torch.no_grad(), removing(handles):
            small(images)


def _train(block: nn.Module, x: Tensor, y: Tensor, settings: ReconstructionSpec, generator: torch.Generator) -> None:
    """Fit block(x) to y [N, ...], but for the images held out, on which the better of before and after is chosen."""
    learning = torch.arange(len(x)) % _HELD_OUT != 0
    before, held_out = copy.deepcopy(block.state_dict()), (x[~learning], y[~learning])
    error = _error(block, *held_out)
    _descend(block, x[learning], y[learning], settings, generator)
    if not _error(block, *held_out) < error:
        block.load_state_dict(before)


def _error(block: nn.Module, x: Tensor, y: Tensor) -> float:
    pairs = zip(torch.split(x, _CHUNK), torch.split(y, _CHUNK), strict=True)
    return sum(float(F.mse_loss(block.forward(a), b, reduction="sum")) for a, b in pairs)


def _descend(block: nn.Module, x: Tensor, y: Tensor, settings: ReconstructionSpec, generator: torch.Generator) -> None:
    parameters = [p for p in block.parameters() if p.is_floating_point()]
    required = [p.requires_grad for p in parameters]
    with torch.enable_grad():
        for parameter in parameters:
            parameter.requires_grad_(True)
        adam = torch.optim.Adam(parameters, lr=settings.learning_rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, settings.steps)
        for chosen in islice(_batches(len(x), settings.batch, generator), settings.steps):
            # `forward` and not a call, which would come back to the hook that trains
            loss = F.mse_loss(block.forward(x[chosen]), y[chosen])
            adam.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            adam.step()
            schedule.step()
    for parameter, before in zip(parameters, required, strict=True):
        parameter.requires_grad_(before)
        parameter.grad = None


def _batches(count: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Batches of indices below `count`, every index once before any comes again."""
    while True:
        yield from torch.split(torch.randperm(count, generator=generator), size)


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
