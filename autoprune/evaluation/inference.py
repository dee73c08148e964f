"""Inference as fast as torch has it: batch norms folded, channels last, one batch a thread."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from queue import SimpleQueue

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from autoprune.errors import BadInput
from autoprune.evaluation.images import ImageSet
from autoprune.evaluation.prefixes import Course, Run
from autoprune.evaluation.twin import twin

_BATCH = 64


def outputs(
    model: nn.Module | Course, images: ImageSet, batch: int = _BATCH, *, part: slice = slice(None)
) -> tuple[Tensor, Tensor]:
    """The network's outputs [N, classes] and the targets [N] of a `part` of a split, in order, in eval mode.

    Batches are shared out among as many threads as torch has, each computing
    alone: narrow layers are too small to be split. With a course of a network over these very images,
    what is known of their beginnings is not computed again. Raises `BadInput` where the network
    answers with anything but one tensor.
    """
    course = model if isinstance(model, Course) else Course(model)
    course.network.eval()
    threads = torch.get_num_threads()
    batches = torch.split(torch.arange(len(images))[part], batch)
    idle: SimpleQueue[Run] = SimpleQueue()
    for _ in range(min(threads, len(batches))):
        idle.put(course.runner())

    def answer(indices: Tensor) -> tuple[Tensor, Tensor]:
        run = idle.get()
        try:
            with torch.inference_mode():
                inputs, truth = images.batch(indices)
                if inputs.ndim == 4:
                    inputs = inputs.contiguous(memory_format=torch.channels_last)
                return _tensor(run(inputs, (int(indices[0]), len(indices)))), truth
        finally:
            idle.put(run)

    if threads == 1:
        answered = [answer(indices) for indices in batches]
    else:
        with torch_threads(1), ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            answered = list(pool.map(answer, batches))
    answers, targets = zip(*answered, strict=True)
    return torch.cat(answers), torch.cat(targets)


def folded(model: nn.Module, norm_after: Mapping[str, str]) -> nn.Module:
    """`model` for inference: batch norms are part of the layer that they follow, convolutions lie channels last.

    `norm_after` gives the batch norm that alone reads a layer's output. Answers are those of `model`
    but for rounding; `model` is not changed, and tensors that need not change are shared with it.
    """
    ready = twin(model).eval()
    modules = dict(ready.named_modules())
    for name, layer in modules.items():
        norm = modules.get(norm_after.get(name, ""))
        whole = _fused(layer, norm) if norm is not None else None
        if whole is not None:
            ready.set_submodule(norm_after[name], nn.Identity())
        elif isinstance(layer, nn.Conv2d):
            whole = copy.deepcopy(layer)
        if whole is not None:
            ready.set_submodule(name, whole.to(memory_format=torch.channels_last))  # type: ignore[call-overload]
    return ready


def _fused(layer: nn.Module, norm: nn.Module) -> nn.Module | None:
    """Both in one; None where they are no pair that can be."""
    if not isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d) or norm.running_mean is None:
        return None
    if isinstance(layer, nn.Conv2d):
        return fuse_conv_bn_eval(layer, norm)
    return fuse_linear_bn_eval(layer, norm) if isinstance(layer, nn.Linear) else None


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let torch compute on `count` threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _tensor(answer: object) -> Tensor:
    if not isinstance(answer, Tensor):
        raise BadInput(f"a network must answer with one tensor [N, classes], this gives a {type(answer).__name__}")
    return answer
