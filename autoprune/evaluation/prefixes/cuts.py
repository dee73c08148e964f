"""Where a network can begin in its middle: modules after which nothing is read that was made before, proven."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from autoprune.evaluation.prefixes.resuming import Cut, Reached, Resumable, on_meta
from autoprune.evaluation.twin import twin
from autoprune.pruning.hooks import removing


def find_cuts(network: nn.Module, images: Tensor, others: Tensor) -> tuple[Cut, ...]:
    """The cuts of `network`, in eval mode, in the order in which it passes them.

    Candidates are modules that run once and answer with one tensor, to which nothing is written
    later. Each is proven on `images`, with tensors on torch's meta device, which have shapes but no
    numbers, so that nothing can be learned from them: begun there, all that was made before being on
    meta, the network answers as ever; and the module answers as ever where the tensors of all
    modules that begin later are on meta. `others`, a batch of another size, pass the network in between,
    so that nothing that is remembered of `images` helps with the proof.

    Of candidates between which no layer with weights begins, only the last is taken, and none where
    no such layer comes before, or after. A network that sets attributes as it runs has no cuts.
    """
    subject = twin(network)
    attributes = {name: dict(vars(module)) for name, module in subject.named_modules()}
    with torch.no_grad():
        passed = _watched(subject, images)
        if any(_differs(vars(module), attributes[name]) for name, module in subject.named_modules()):
            return ()
        subject(others)
        proof = _Proof(subject, images, passed)
        found = [next((cut for cut in reversed(alike) if proof.holds(cut)), None) for alike in passed.candidates()]
    return tuple(cut for cut in found if cut is not None)


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """The only run of a module: when it began and ended, in steps of a common clock, and the tensor it made."""

    start: int
    end: int
    made: Tensor
    untouched: bool  # whether nothing was written to it later


@dataclass(frozen=True, slots=True, eq=False)
class _Pass:
    """A pass over a network: its `answer`, when each module first began, and the modules that ran `once`.

    A module that never runs (its tensors are read by the one that it lies in) begins with that one.
    `macs` are those of each module that has tensors of its own, counted where they are a layer's.
    """

    answer: object
    began: Mapping[str, int]
    once: Mapping[str, _Run]
    macs: Mapping[str, int]

    def candidates(self) -> list[list[Cut]]:
        """Modules that may be cuts, in order, those together by which as many layers with weights have begun."""
        found: dict[int, list[Cut]] = defaultdict(list)
        for name, run in sorted(self.once.items(), key=lambda item: item[1].end):
            cut = self._cut(name, run)
            layers = sum(module in self.macs for module in cut.decided_by)
            if name and run.untouched and 0 < layers < len(self.macs):
                found[layers].append(cut)
        return [found[layers] for layers in sorted(found)]

    def _cut(self, name: str, run: _Run) -> Cut:
        decided_by = sorted((n for n, start in self.began.items() if start < run.end), key=self.began.__getitem__)
        done = [n for n, other in self.once.items() if other.end < run.start]
        return Cut(
            module=name,
            before=tuple(n for n in done if not any(n.startswith(f"{other}.") for other in done)),
            decided_by=tuple(decided_by),
            work=sum(self.macs.get(n, 0) for n in decided_by) / max(1, sum(self.macs.values())),
            bytes=run.made.untyped_storage().nbytes() // max(1, len(run.made)),
        )


@dataclass
class _Clock:
    """Hooks that note when modules begin and end, what they make, and how often it was written to by then."""

    now: int = 0
    open: list[int] = field(default_factory=list)
    runs: dict[nn.Module, list[tuple[int, int, Any, int]]] = field(default_factory=lambda: defaultdict(list))

    def begin(self, *_: object) -> None:
        self.now += 1
        self.open.append(self.now)

    def end(self, module: nn.Module, _: object, made: object) -> None:
        self.now += 1
        version = made._version if isinstance(made, Tensor) else 0
        self.runs[module].append((self.open.pop(), self.now, made, version))


def _watched(network: nn.Module, images: Tensor) -> _Pass:
    """Watch `network` pass over `images`."""
    clock, names = _Clock(), {module: name for name, module in network.named_modules()}
    handles = [module.register_forward_pre_hook(clock.begin) for module in names]
    handles += [module.register_forward_hook(clock.end) for module in names]
    with removing(handles):
        answer = network(images)
    began: dict[str, int] = {}
    once, macs = {}, {}
    for module, name in names.items():
        runs = clock.runs.get(module, [])
        began[name] = runs[0][0] if runs else began.get(name.rpartition(".")[0], 0)
        if len(runs) == 1 and isinstance(runs[0][2], Tensor):
            [(start, end, made, version)] = runs
            once[name] = _Run(start, end, made, made._version == version)
        if [*module.parameters(recurse=False), *module.buffers(recurse=False)]:
            macs[name] = _macs(module, [made for _, _, made, _ in runs])
    return _Pass(answer, began, once, macs)


def _macs(module: nn.Module, answers: list[Any]) -> int:
    """Multiply-accumulates of a convolution or linear layer: a row of its weight for each number it makes; else 0."""
    weight = module._parameters.get("weight")
    if weight is None or weight.ndim < 2:
        return 0
    return sum(made.numel() * weight[0].numel() for made in answers if isinstance(made, Tensor))


class _Passed(BaseException):
    """Ends a pass at a cut; no `except Exception` of a network's own code gets hold of it."""

    def __init__(self, made: Tensor) -> None:
        super().__init__()
        self.made = made


@dataclass(frozen=True, slots=True, eq=False)
class _Proof:
    """Whether modules are cuts of `network`, shown on the `images` of which a pass is known."""

    network: nn.Module
    images: Tensor
    passed: _Pass

    def holds(self, cut: Cut) -> bool:
        """Whether the network can begin at a cut, where nothing that begins later decides the answer."""
        try:
            return self._is_enough(cut) and self._is_decided(cut)
        except Exception:  # a network's own code may raise anything where it misses a number
            return False

    def _is_enough(self, cut: Cut) -> bool:
        """Whether what was made at the cut is enough to go on from."""
        made = {name: self.passed.once[name].made for name in (cut.module, *cut.before)}
        reached = Reached(made[cut.module], {name: on_meta(made[name]) for name in cut.before})
        return _same(Resumable(self.network, [cut])(self.images, (cut, reached)), self.passed.answer)

    def _is_decided(self, cut: Cut) -> bool:
        """Whether the tensors of the modules that have begun by then are enough to make it."""
        network, decided = twin(self.network), frozenset(cut.decided_by)
        tensors = dict([*network.named_parameters(), *network.named_buffers()])
        later = {name: on_meta(t) for name, t in tensors.items() if name.rpartition(".")[0] not in decided}

        def stop(_: nn.Module, __: object, made: Tensor) -> None:
            raise _Passed(made)

        with removing([network.get_submodule(cut.module).register_forward_hook(stop)]):
            try:
                functional_call(network, later, (self.images,), tie_weights=False)
            except _Passed as passed:
                return _same(passed.made, self.passed.once[cut.module].made)
        return False


def _differs(state: Mapping[str, object], before: Mapping[str, object]) -> bool:
    """Whether attributes were set."""
    return state.keys() != before.keys() or any(value is not before[name] for name, value in state.items())


def _same(answer: object, expected: object) -> bool:
    """Whether both are tensors of the same numbers; NaN is NaN."""
    if not isinstance(answer, Tensor) or not isinstance(expected, Tensor) or answer.shape != expected.shape:
        return False
    return torch.allclose(answer, expected, rtol=0, atol=0, equal_nan=True)
