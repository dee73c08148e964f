"""Evidence for criteria: one pass over the calibration images for all that is asked for, and no more than that."""

from __future__ import annotations

import copy
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from autoprune.criteria.criterion import Need
from autoprune.criteria.evidence import Consumer, Curvature, Evidence, Gradients, Reader, Weight
from autoprune.errors import BadInput
from autoprune.pruning.curvature import derivatives, diagonals, random_signs
from autoprune.pruning.hooks import removing
from autoprune.pruning.learning import gradients_to
from autoprune.pruning.places import Layout, Place
from autoprune.tracing.trace import Traced

_BATCH = 32
_FLOATS = 2**20  # of what one reader is given, that are kept
_CURVED_IMAGES = 512  # that second derivatives are estimated on
_PROBES = 4  # of Hutchinson's estimator for each batch of these
_STEP = 1e-3  # learning rate of the steps in which movement is looked at

_PASSING = Need.ACTIVATIONS | Need.GRADIENTS | Need.CURVATURE
_Named = tuple[str, Consumer]


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """What the evidence is of: `inputs` [N, ...] and, where they are known, class `labels` int64 [N]."""

    inputs: Tensor
    labels: Tensor | None

    def batches(self) -> Iterator[Images]:
        """32 images at a time, in order."""
        labels = [None] * len(self.inputs) if self.labels is None else torch.split(self.labels, _BATCH)
        for inputs, own in zip(torch.split(self.inputs, _BATCH), labels, strict=False):
            yield Images(inputs, own)

    def loss(self, outputs: Tensor) -> Tensor:
        """Sum of the images' cross-entropies in nats."""
        if self.labels is None:
            raise BadInput("the loss of images without labels is not known; give a task whose images have them")
        return F.cross_entropy(outputs, self.labels, reduction="sum")


def gather_evidence(
    model: nn.Module,
    traced: Traced,
    images: Images,
    needs: Need,
    consumers: Sequence[Sequence[_Named]],
    *,
    seed: int,
) -> tuple[Evidence, ...]:
    """What is known of every group of the (eval mode) model, as far as criteria need it.

    `consumers` gives, per group, the layers that can be refitted, by name. The model is not
    changed. Raises `BadInput` where labels are needed and the images have none.
    """
    units = traced.units
    layouts = [Layout.of(model, traced.axes, group, count) for group, count in enumerate(units)]
    seen = _Seen(model, layouts, units, len(images.inputs), needs, seed)
    if needs & _PASSING and layouts:
        for batch in images.batches():
            seen.look_at(batch)
    moved = _movement(model, layouts, images, seed) if Need.MOVEMENT in needs else None
    parameters = dict(model.named_parameters())
    return tuple(
        Evidence(
            group=traced.space.groups[group].name,
            units=units[group],
            seed=int(np.random.SeedSequence([seed, group]).generate_state(1)[0]),
            weights=tuple(
                Weight(place.parameter, place.matrix(parameters[place.parameter]), made)
                for made, places in ((True, layout.made), (False, layout.read))
                for place in places
            ),
            read_by=tuple(place.layer for place in layout.read) if layout.watched else (),
            scales=tuple(place.matrix(parameters[place.parameter]) for place in layout.scales),
            consumers=tuple(consumer for _, consumer in consumers[group]),
            readers=seen.readers(group),
            labels=images.labels,
            gradients=seen.gradients(group, consumers[group]),
            curvature=seen.curvature(group),
            movement=None if moved is None else tuple(moved[group]),
        )
        for group, layout in enumerate(layouts)
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Reading:
    """One layer that reads one group: the group's channels [units, n] in its input."""

    group: int
    place: Place
    channels: Tensor


class _Seen:
    """What a pass over the images has shown of all groups so far."""

    def __init__(
        self, model: nn.Module, layouts: Sequence[Layout], units: Sequence[int], images: int, needs: Need, seed: int
    ) -> None:
        self._model, self._layouts, self._units, self._images = model, layouts, units, images
        self._needs, self._rng = needs, torch.Generator().manual_seed(seed)
        self._parameters, self._modules = dict(model.named_parameters()), dict(model.named_modules())
        self._readings = _readings(self._modules, layouts)
        self._weights = sorted({place.parameter for own in layouts for place in (*own.made, *own.read)})
        self._looked_at, self._curved = 0, 0
        self._picked: dict[tuple[str, int, int], Tensor] = {}
        self._values: dict[tuple[str, int, int], list[Tensor]] = defaultdict(list)
        self._gate_gradients: list[list[Tensor]] = [[] for _ in units]
        self._gate_curvature = [torch.zeros(count, dtype=torch.float64) for count in units]
        self._gradients: dict[str, Tensor] = {}
        self._curvature: dict[str, Tensor] = {}

    def look_at(self, batch: Images) -> None:
        """Run the model on a batch, and take its derivatives where these are asked for."""
        self._looked_at += len(batch.inputs)
        if not self._needs & (Need.GRADIENTS | Need.CURVATURE):
            with torch.no_grad(), removing(self._hooks({})):
                self._model(batch.inputs)
            return
        weights = [self._parameters[name] for name in self._weights]
        curved = Need.CURVATURE in self._needs and self._looked_at <= max(_CURVED_IMAGES, _BATCH)
        gates = {g: torch.ones(len(batch.inputs), n, requires_grad=True) for g, n in enumerate(self._units)}
        with torch.enable_grad(), gradients_to(weights, self._model), sdpa_kernel(SDPBackend.MATH):
            with removing(self._hooks(gates)):
                loss = batch.loss(self._model(batch.inputs))
            first = derivatives(loss, [*gates.values(), *weights], create_graph=curved)
            if curved:
                self._curve(first, list(gates.values()), weights, len(batch.inputs))
        for group, gradient in enumerate(first[: len(gates)]):
            self._gate_gradients[group].append(gradient.detach().double())
        _add(self._gradients, self._weights, [gradient.detach() for gradient in first[len(gates) :]])

    def _curve(self, first: Sequence[Tensor], gates: Sequence[Tensor], weights: Sequence[Tensor], images: int) -> None:
        """Hutchinson's estimate of the Hessian's diagonal, z (H z), by the gates and, apart from them, by the weights.

        A gate's z is the same for all images of the batch, which do not see each other.
        """
        self._curved += images
        for _ in range(_PROBES):
            signs = [random_signs(gate.shape[1:], self._rng).expand_as(gate) for gate in gates]
            for group, own in enumerate(diagonals(first[: len(gates)], gates, signs)):
                self._gate_curvature[group] += own.sum(0).double()
            signs = [random_signs(weight.shape, self._rng) for weight in weights]
            _add(self._curvature, self._weights, diagonals(first[len(gates) :], weights, signs))

    def readers(self, group: int) -> tuple[Reader, ...] | None:
        """What every reader was given of the group."""
        if Need.ACTIVATIONS not in self._needs:
            return None
        places = {place.layer: place for place in self._layouts[group].read}
        return tuple(
            Reader(torch.cat(values), places[layer].matrix(self._parameters[places[layer].parameter]))
            for (layer, _, own), values in self._values.items()
            if own == group
        )

    def gradients(self, group: int, consumers: Sequence[_Named]) -> Gradients | None:
        """First derivatives of the mean loss, and by the gates of each image's."""
        if Need.GRADIENTS not in self._needs:
            return None
        mean = {name: gradient / self._images for name, gradient in self._gradients.items()}
        return Gradients(
            gates=torch.cat(self._gate_gradients[group]),
            made=tuple(place.matrix(mean[place.parameter]) for place in self._layouts[group].made),
            read=tuple(mean[f"{layer}.weight"].flatten(1).T.double() for layer, _ in consumers),
        )

    def curvature(self, group: int) -> Curvature | None:
        """Second derivatives of the mean loss, estimated."""
        if Need.CURVATURE not in self._needs:
            return None
        count = self._curved * _PROBES
        return Curvature(
            gates=self._gate_curvature[group] / count,
            made=tuple(place.matrix(self._curvature[place.parameter] / count) for place in self._layouts[group].made),
        )

    def _hooks(self, gates: Mapping[int, Tensor]) -> list[Any]:
        """Hooks before every reader, which keep what it is given and gate it."""
        calls: Counter[str] = Counter()

        def hook(layer: str) -> Callable[..., tuple[Tensor, ...]]:
            def before(module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
                axis = -1 if isinstance(module, nn.Linear) else 1
                if Need.ACTIVATIONS in self._needs:
                    self._keep(layer, calls[layer], args[0].detach().movedim(axis, 1))
                    calls[layer] += 1
                return (self._gated(layer, args[0], axis, gates), *args[1:]) if gates else args

            return before

        return [self._modules[layer].register_forward_pre_hook(hook(layer)) for layer in self._readings]

    def _keep(self, layer: str, call: int, x: Tensor) -> None:
        """Keep the picked positions of what the layer was given, x [images, channels, ...]."""
        for reading in self._readings[layer]:
            key = (layer, call, reading.group)
            units = self._units[reading.group]
            own = x[:, reading.channels.flatten()].reshape(
                -1, units, x[0].numel() // x.shape[1] * reading.channels.shape[1]
            )
            if key not in self._picked:
                wanted = max(1, _FLOATS // (self._images * units))
                self._picked[key] = torch.randperm(own.shape[2], generator=self._rng)[:wanted].sort().values
            self._values[key].append(own[:, :, self._picked[key]].transpose(1, 2).float())

    def _gated(self, layer: str, x: Tensor, axis: int, gates: Mapping[int, Tensor]) -> Tensor:
        """The layer's input x, every unit's channels times its gate."""
        images = len(next(iter(gates.values())))
        factors = torch.ones(images, x.shape[axis])
        for reading in self._readings[layer]:
            index = reading.channels.flatten()
            each = gates[reading.group].repeat_interleave(reading.channels.shape[1], dim=1)
            factors = factors.index_copy(1, index, each)
        factors = factors.repeat_interleave(len(x) // images, dim=0)
        shape = [1] * x.ndim
        shape[0], shape[axis] = len(x), x.shape[axis]
        return x * factors.view(shape)


def _readings(modules: Mapping[str, nn.Module], layouts: Sequence[Layout]) -> dict[str, list[_Reading]]:
    """For each layer that reads groups which can be watched: where they lie in its input."""
    found: dict[str, list[_Reading]] = defaultdict(list)
    for group, layout in enumerate(layouts):
        for place in layout.read if layout.watched else ():
            channels = torch.from_numpy(place.channels(modules[place.layer]))
            found[place.layer].append(_Reading(group, place, channels))
    return found


def _add(sums: dict[str, Tensor], names: Sequence[str], terms: Sequence[Tensor]) -> None:
    for name, term in zip(names, terms, strict=True):
        sums[name] = sums[name] + term if name in sums else term


def _movement(model: nn.Module, layouts: Sequence[Layout], images: Images, seed: int) -> list[list[Tensor]]:
    """For each group and weight that makes it, [units, d]: minus the sum of w g over one epoch of SGD on a copy.

    Batch norms keep their statistics. The sum leaves the learning rate out.
    """
    student = copy.deepcopy(model)
    parameters = dict(student.named_parameters())
    names = sorted({place.parameter for layout in layouts for place in layout.made})
    moved: dict[str, Tensor] = {}
    weights = [p for p in student.parameters() if p.is_floating_point()]
    order = torch.randperm(len(images.inputs), generator=torch.Generator().manual_seed(seed))
    labels = images.labels
    shuffled = Images(images.inputs[order], None if labels is None else labels[order])
    with torch.enable_grad(), gradients_to(weights, student):
        descent = torch.optim.SGD(weights, lr=_STEP)
        for batch in shuffled.batches():
            descent.zero_grad()
            (batch.loss(student(batch.inputs)) / len(batch.inputs)).backward()  # type: ignore[no-untyped-call]
            _add(moved, names, [_shrinking(parameters[name]) for name in names])
            descent.step()
    return [[place.matrix(moved[place.parameter]) for place in layout.made] for layout in layouts]


def _shrinking(weight: Tensor) -> Tensor:
    """Minus weight times gradient: positive where a step lets the weight grow."""
    gradient = torch.zeros_like(weight) if weight.grad is None else weight.grad
    return -(weight * gradient).detach()
