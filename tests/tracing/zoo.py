"""Small networks, one for each way in which channels hang together, with the groups that they should have."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autoprune.models.resnet_cifar import resnet20
from autoprune.tracing import Traced, trace

Layers = tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """A network, an input shape, and by hand: its groups (width, unit, layers) and words of each frozen reason."""

    build: Callable[[], nn.Module]
    shape: tuple[int, ...] = (2, 3, 8, 8)
    groups: dict[str, tuple[int, int, Layers]] = field(default_factory=dict)
    frozen: dict[str, str] = field(default_factory=dict)

    def model(self) -> nn.Module:
        """The network in eval mode, its norms with statistics that are not trivial."""
        torch.manual_seed(0)
        model = self.build().eval()
        for module in model.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and module.running_mean is not None:
                assert module.running_var is not None
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
        return model

    def example(self) -> Tensor:
        """A seeded batch."""
        return torch.randn(self.shape, generator=torch.Generator().manual_seed(1))


def conv_bn(channels_in: int, channels_out: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(channels_out)
    )


def plain(*middle: nn.Module, stem: int = 8, last: int = 8) -> nn.Sequential:
    """A stem convolution, the modules under test, and a head that reads `last` channels."""
    layers: OrderedDict[str, nn.Module] = OrderedDict(stem=nn.Conv2d(3, stem, 3, padding=1))
    layers.update({f"m{i}": module for i, module in enumerate(middle)}, head=Head(last))
    return nn.Sequential(layers)


class Head(nn.Module):
    def __init__(self, channels: int, classes: int = 5) -> None:
        super().__init__()
        self.fc = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc(F.relu(x).mean((2, 3)))
        return out


class Named(nn.Module):
    """Layers by name; `forward` is left to whoever inherits."""

    def __init__(self, **layers: nn.Module) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)

    def run(self, name: str, x: Tensor) -> Tensor:
        out: Tensor = self.get_submodule(name)(x)
        return out


class Chain(Named):
    def __init__(self) -> None:
        super().__init__(
            conv1=nn.Conv2d(3, 8, 3, padding=1, bias=False),
            bn1=nn.BatchNorm2d(8),
            conv2=nn.Conv2d(8, 12, 3, stride=2),
            fc=nn.Linear(12, 5),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.run("bn1", self.run("conv1", x))), 2)
        return self.run("fc", F.adaptive_avg_pool2d(self.run("conv2", x).relu_(), 1).flatten(1))


class Residual(Named):
    """A block with a projection, then one without: all three sums run over the same channels."""

    def __init__(self) -> None:
        super().__init__(
            stem=conv_bn(3, 8),
            a1=conv_bn(8, 12, stride=2),
            a2=conv_bn(12, 16),
            down=conv_bn(8, 16, kernel=1, stride=2),
            b1=conv_bn(16, 10),
            b2=conv_bn(10, 16),
            head=Head(16),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.run("stem", x))
        x = F.relu(self.run("a2", F.relu(self.run("a1", x))) + self.run("down", x))
        x = F.relu(x + self.run("b2", F.relu(self.run("b1", x))))
        return self.run("head", x)


class Dense(Named):
    """Each layer reads all that came before it, as in DenseNet."""

    def __init__(self) -> None:
        super().__init__(
            stem=nn.Conv2d(3, 6, 3, padding=1),
            one=conv_bn(6, 4),
            norm=nn.BatchNorm2d(10),
            two=nn.Conv2d(10, 4, 1),
            head=Head(14),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.run("stem", x))
        x = torch.cat([x, self.run("one", x)], 1)
        return self.run("head", torch.cat([x, self.run("two", F.relu(self.run("norm", x)))], 1))


class Squeeze(Named):
    """Squeeze-and-excitation."""

    def __init__(self) -> None:
        super().__init__(
            stem=nn.Conv2d(3, 12, 3, padding=1), down=nn.Conv2d(12, 4, 1), up=nn.Conv2d(4, 12, 1), head=Head(12)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = F.silu(self.run("stem", x))
        gate = self.run("up", F.relu(self.run("down", F.adaptive_avg_pool2d(x, 1))))
        return self.run("head", x * torch.sigmoid(gate))


class Flat(Named):
    """As in VGG: a linear layer reads the flattened image, each channel at many positions."""

    def __init__(self) -> None:
        super().__init__(conv=nn.Conv2d(3, 8, 3, padding=1), fc1=nn.Linear(8 * 4 * 4, 10), fc2=nn.Linear(10, 5))

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.run("conv", x)), 2).flatten(1)
        return self.run("fc2", F.relu(self.run("fc1", x)))


class Twice(Named):
    """One module used twice: what goes in is what comes out."""

    def __init__(self) -> None:
        super().__init__(stem=nn.Conv2d(3, 8, 3, padding=1), shared=conv_bn(8, 8), head=Head(8))

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.run("stem", x))
        return self.run("head", self.run("shared", F.relu(self.run("shared", x))))


class Shuffle(Named):
    """A ShuffleNetV2 unit: half of the channels pass by, then both halves are interleaved."""

    def __init__(self) -> None:
        super().__init__(
            stem=nn.Conv2d(3, 16, 3, padding=1),
            pw1=conv_bn(8, 6, kernel=1),
            dw=nn.Conv2d(6, 6, 3, padding=1, groups=6),
            pw2=conv_bn(6, 8, kernel=1),
            head=Head(16),
        )

    def forward(self, x: Tensor) -> Tensor:
        a, b = F.relu(self.run("stem", x)).chunk(2, dim=1)
        b = F.relu(self.run("pw2", self.run("dw", F.relu(self.run("pw1", b)))))
        x = torch.cat([a, b], 1)
        n, c, h, w = x.shape
        return self.run("head", x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w))


class Decoder(Named):
    def __init__(self) -> None:
        super().__init__(
            down=nn.Conv2d(3, 8, 3, stride=2, padding=1), up=nn.ConvTranspose2d(8, 6, 3, 2), out=nn.Conv2d(6, 3, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.run("out", F.relu(self.run("up", F.relu(self.run("down", x)))))


class ChannelsLast(Named):
    """A ConvNeXt block: a layer norm over the channels, and a hidden layer that it does not touch."""

    def __init__(self) -> None:
        super().__init__(
            stem=nn.Conv2d(3, 8, 2, 2), norm=nn.LayerNorm(8), up=nn.Linear(8, 24), down=nn.Linear(24, 8), head=Head(8)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.run("stem", x)
        y = self.run("down", F.gelu(self.run("up", self.run("norm", x.permute(0, 2, 3, 1)))))
        return self.run("head", x + y.permute(0, 3, 1, 2))


class Transformer(Named):
    """Patches, one encoder layer, a head."""

    def __init__(self) -> None:
        layer = nn.TransformerEncoderLayer(8, 2, dim_feedforward=20, batch_first=True)
        super().__init__(patch=nn.Conv2d(3, 8, 4, 4), layer=layer, fc=nn.Linear(8, 5))

    def forward(self, x: Tensor) -> Tensor:
        return self.run("fc", self.run("layer", self.run("patch", x).flatten(2).transpose(1, 2)).mean(1))


class HandMadeAttention(Named):
    """Attention written out, with a batched matrix product of activations."""

    def __init__(self) -> None:
        super().__init__(
            patch=nn.Conv2d(3, 8, 4, 4), q=nn.Linear(8, 6), k=nn.Linear(8, 6), v=nn.Linear(8, 10), fc=nn.Linear(10, 5)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.run("patch", x).flatten(2).transpose(1, 2)
        weights = (self.run("q", x) @ self.run("k", x).transpose(1, 2) / 6**0.5).softmax(-1)
        return self.run("fc", (weights @ self.run("v", x)).mean(1))


class Apply(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


class Scale(nn.Module):
    """A parameter of its own, one number a channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.linspace(0.5, 1.5, channels).reshape(1, -1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale


class Sequence(Named):
    """Convolutions over time."""

    def __init__(self) -> None:
        super().__init__(conv=nn.Conv1d(3, 8, 3), bn=nn.BatchNorm1d(8), fc=nn.Linear(8, 5))

    def forward(self, x: Tensor) -> Tensor:
        return self.run("fc", F.relu(self.run("bn", self.run("conv", x))).mean(2))


def gated(x: Tensor) -> Tensor:
    a, b = x.chunk(2, dim=1)
    return a * torch.sigmoid(b)


def split_unevenly(x: Tensor) -> Tensor:
    a, b = torch.split(x, [2, 6], dim=1)
    return torch.cat([b, a], 1)


class Padded(Named):
    """Two convolutions beside a shortcut whose channels `pad(x, y)` makes as many as those of y, as option A does."""

    def __init__(
        self, pad: Callable[[Tensor, Tensor], Tensor], *, stem: int = 8, inner: int = 10, wide: int = 16
    ) -> None:
        super().__init__(
            stem=conv_bn(3, stem),
            one=conv_bn(stem, inner, stride=2),
            two=conv_bn(inner, wide),
            head=Head(wide),
        )
        self.pad = pad

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.run("stem", x))
        y = self.run("two", F.relu(self.run("one", x)))
        return self.run("head", F.relu(y + self.pad(x[:, :, ::2, ::2], y)))


def zeros_by_shape(x: Tensor, y: Tensor) -> Tensor:
    """As in PyramidNet: code that looks at the shapes, and pads only where they differ."""
    missing = y.shape[1] - x.shape[1]
    if missing == 0:
        return x
    return torch.cat((x, torch.zeros(x.shape[0], missing, x.shape[2], x.shape[3], device=x.device)), dim=1)


def zeros_of(x: Tensor, channels: int) -> Tensor:
    return x.new_zeros(x.shape[0], channels, *x.shape[2:])


def halves_by_shape(x: Tensor, _: Tensor) -> Tensor:
    missing = 16 - x.size(1)
    return F.pad(x, (0, 0, 0, 0, missing // 2, missing - missing // 2), "constant", 0)


# Ways to write a shortcut that makes 8 channels 16.
PADDINGS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "F.pad": lambda x, _: F.pad(x, (0, 0, 0, 0, 4, 4)),
    "F.pad behind": lambda x, _: F.pad(input=x, pad=(0, 0, 0, 0, 0, 8), mode="constant"),
    "F.pad of another number": lambda x, _: F.pad(x, [0, 0, 0, 0, 8, 0], value=0.5),
    "F.pad by shape": halves_by_shape,
    "constant_pad_nd": lambda x, _: torch.constant_pad_nd(x, (0, 0, 0, 0, 2, 6)),
    "zeros by shape": zeros_by_shape,
    "zeros on both sides": lambda x, _: torch.cat([zeros_of(x, 3), x, zeros_of(x, 5)], 1),
    "zeros like it": lambda x, _: torch.concat((x, torch.zeros_like(x)), -3),
    "twice itself": lambda x, _: torch.cat((x, x.mul(0)), 1),
    "memory that is filled": lambda x, _: torch.cat((torch.empty(len(x), 8, *x.shape[2:]).fill_(0), x), 1),
}

PADDED_GROUPS: dict[str, tuple[int, int, Layers]] = {
    "stem.0": (8, 1, ("stem.0", "stem.1", "one.0", "two.0", "two.1", "head.fc")),
    "one.0": (10, 1, ("one.0", "one.1", "two.0")),
    "two.0": (8, 1, ("two.0", "two.1", "head.fc")),
}


class ZeroPadding(nn.Module):
    """A module as in many CIFAR ResNets: a lambda that calls F.pad."""

    def __init__(self) -> None:
        super().__init__()
        self.function: Callable[[Tensor], Tensor] = lambda x: F.pad(x, (0, 0, 0, 0, 16 // 4, 16 // 4), "constant", 0)

    def forward(self, x: Tensor, _: Tensor) -> Tensor:
        return self.function(x)


_BLOCKS = [f"layer{stage}.{block}" for stage in (1, 2, 3) for block in (0, 1, 2)]


def _stream(since: int) -> Layers:
    """Layers of ResNet-20 that make or read the channels that are new in stage `since`."""
    layers = ["conv1", "bn1"] if since == 1 else []
    for block in _BLOCKS:
        if int(block[5]) > since or (int(block[5]) == since and (since == 1 or block[7] != "0")):
            layers.append(f"{block}.conv1")
        if int(block[5]) >= since:
            layers += [f"{block}.conv2", f"{block}.bn2"]
    return (*layers, "linear")


ZOO: dict[str, Case] = {
    "chain": Case(
        Chain,
        groups={"conv1": (8, 1, ("conv1", "bn1", "conv2")), "conv2": (12, 1, ("conv2", "fc"))},
    ),
    "grey images": Case(
        lambda: nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 6, 3), Head(6)),
        shape=(2, 1, 8, 8),
        groups={"0": (8, 1, ("0", "1", "3")), "3": (6, 1, ("3", "4.fc"))},
    ),
    "residual": Case(
        Residual,
        groups={
            "stem.0": (8, 1, ("stem.0", "stem.1", "a1.0", "down.0")),
            "a1.0": (12, 1, ("a1.0", "a1.1", "a2.0")),
            "a2.0": (16, 1, ("a2.0", "a2.1", "down.0", "down.1", "b1.0", "b2.0", "b2.1", "head.fc")),
            "b1.0": (10, 1, ("b1.0", "b1.1", "b2.0")),
        },
    ),
    "option A shortcuts": Case(
        resnet20,
        shape=(2, 3, 16, 16),
        groups={
            f"{block}.conv1": (16 * 2 ** (int(block[5]) - 1), 1, (f"{block}.conv1", f"{block}.bn1", f"{block}.conv2"))
            for block in _BLOCKS
        }
        | {
            "conv1": (16, 1, _stream(1)),
            "layer2.0.conv2": (16, 1, _stream(2)),
            "layer3.0.conv2": (32, 1, _stream(3)),
        },
    ),
    **{f"shortcut with {name}": Case(partial(Padded, pad), groups=PADDED_GROUPS) for name, pad in PADDINGS.items()},
    "shortcut padded twice": Case(
        lambda: Padded(lambda x, _: F.pad(F.pad(x, (0, 0, 0, 0, 3, 0)), (0, 0, 0, 0, 0, 5))),
        groups={
            **{name: PADDED_GROUPS[name] for name in ("stem.0", "one.0")},
            "two.0": (3, 1, PADDED_GROUPS["two.0"][2]),
            "two.0#2": (5, 1, PADDED_GROUPS["two.0"][2]),
        },
    ),
    "shortcut padded in a module of its own": Case(lambda: Padded(ZeroPadding()), groups=PADDED_GROUPS),
    "shortcut padded on two axes at once": Case(
        lambda: Padded(lambda x, _: F.pad(x, (1, 1, 1, 1, 4, 4))[:, :, 1:-1, 1:-1]),
        groups={name: PADDED_GROUPS[name] for name in ("stem.0", "one.0")},
        frozen={"two.0": "the model itself pads them with a fixed number of zero"},
    ),
    "shortcut padded by a call of ATen": Case(
        lambda: Padded(lambda x, _: torch.ops.aten.constant_pad_nd(x, [0, 0, 0, 0, 4, 4])),
        groups={name: PADDED_GROUPS[name] for name in ("stem.0", "one.0")},
        frozen={"two.0": "the model itself pads them with a fixed number of zero"},
    ),
    "dense block": Case(
        Dense,
        groups={
            "stem": (6, 1, ("stem", "one.0", "norm", "two", "head.fc")),
            "one.0": (4, 1, ("one.0", "one.1", "norm", "two", "head.fc")),
            "two": (4, 1, ("two", "head.fc")),
        },
    ),
    "squeeze and excitation": Case(
        Squeeze,
        groups={"stem": (12, 1, ("stem", "down", "up", "head.fc")), "down": (4, 1, ("down", "up"))},
    ),
    "depthwise separable": Case(
        lambda: plain(nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.BatchNorm2d(8), nn.Conv2d(8, 12, 1), last=12),
        groups={"stem": (8, 1, ("stem", "m0", "m1", "m2")), "m2": (12, 1, ("m2", "head.fc"))},
    ),
    "depthwise, two outputs a channel": Case(
        lambda: plain(nn.Conv2d(8, 16, 3, padding=1, groups=8), last=16),
        groups={"stem": (8, 1, ("stem", "m0", "head.fc"))},
    ),
    "grouped convolution": Case(
        lambda: plain(nn.Conv2d(12, 8, 3, padding=1, groups=4), stem=12),
        groups={"stem": (12, 4, ("stem", "m0")), "m0": (8, 4, ("m0", "head.fc"))},
    ),
    "group norm": Case(
        lambda: plain(nn.GroupNorm(3, 12), nn.ReLU(), nn.Conv2d(12, 6, 1), stem=12, last=6),
        groups={"stem": (12, 4, ("stem", "m0", "m2")), "m2": (6, 1, ("m2", "head.fc"))},
    ),
    "channels last": Case(
        ChannelsLast, groups={"up": (24, 1, ("up", "down"))}, frozen={"stem": "'norm' is a layer norm over them"}
    ),
    "flattened image": Case(Flat, groups={"conv": (8, 1, ("conv", "fc1")), "fc1": (10, 1, ("fc1", "fc2"))}),
    "shared module": Case(Twice, groups={"stem": (8, 1, ("stem", "shared.0", "shared.1", "head.fc"))}),
    "channel shuffle": Case(
        Shuffle,
        groups={
            "stem": (16, 2, ("stem", "pw1.0", "pw2.0", "pw2.1", "head.fc")),
            "pw1.0": (6, 1, ("pw1.0", "pw1.1", "dw", "pw2.0")),
        },
    ),
    "decoder": Case(Decoder, groups={"down": (8, 1, ("down", "up")), "up": (6, 1, ("up", "out"))}),
    "grouped decoder": Case(
        lambda: plain(nn.ConvTranspose2d(8, 8, 2, 2, groups=4), nn.Conv2d(8, 6, 1), last=6),
        groups={"m1": (6, 1, ("m1", "head.fc"))},
        frozen={"stem": "'m0' is a grouped transposed convolution", "m0": "'m0' is a grouped transposed convolution"},
    ),
    "PReLU": Case(lambda: plain(nn.PReLU(8)), groups={"stem": (8, 1, ("stem", "m0", "head.fc"))}),
    "PReLU with one slope": Case(lambda: plain(nn.PReLU()), groups={"stem": (8, 1, ("stem", "head.fc"))}),
    "scale of its own": Case(lambda: plain(Scale(8)), groups={"stem": (8, 1, ("stem", "m0", "head.fc"))}),
    "gate of two halves": Case(lambda: plain(Apply(gated), stem=16), groups={"stem": (16, 2, ("stem", "head.fc"))}),
    "upsampling": Case(
        lambda: plain(nn.Upsample(scale_factor=2, mode="bilinear")), groups={"stem": (8, 1, ("stem", "head.fc"))}
    ),
    "instance norm": Case(
        lambda: plain(nn.InstanceNorm2d(8, affine=True)), groups={"stem": (8, 1, ("stem", "m0", "head.fc"))}
    ),
    "convolution over time": Case(Sequence, shape=(2, 3, 12), groups={"conv": (8, 1, ("conv", "bn", "fc"))}),
    "linear layers": Case(
        lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4)),
        shape=(2, 6),
        groups={"0": (8, 1, ("0", "2"))},
    ),
    "transformer": Case(
        Transformer,
        groups={"layer.linear1": (20, 1, ("layer.linear1", "layer.linear2"))},
        frozen={"patch": "layer norm over them", "layer.self_attn": "computes attention with them"},
    ),
    "attention by hand": Case(
        HandMadeAttention,
        groups={"patch": (8, 1, ("patch", "q", "k", "v")), "v": (10, 1, ("v", "fc"))},
        frozen={"q": "multiplies them with other activations"},
    ),
    "split at fixed places": Case(
        lambda: plain(Apply(split_unevenly)), frozen={"stem": "'m0' splits their axis at fixed places"}
    ),
    "running sum": Case(
        lambda: plain(Apply(lambda x: x.cumsum(1))), frozen={"stem": "'m0' runs cumsum, which needs all of them"}
    ),
    "Fourier transform": Case(
        lambda: plain(Apply(lambda x: torch.fft.fft(x, dim=1).real)), frozen={"stem": "'m0' runs _fft_"}
    ),
    "channels picked by number": Case(
        lambda: plain(Apply(lambda x: x[:, 1:7]), last=6), frozen={"stem": "'m0' picks some of them by number (slice)"}
    ),
    "channels rolled": Case(
        lambda: plain(Apply(lambda x: x.roll(1, 1))), frozen={"stem": "'m0' picks some of them by number (roll)"}
    ),
    "softmax over channels": Case(lambda: plain(nn.Softmax2d()), frozen={"stem": "'m0' is a softmax over them"}),
    "mean over channels": Case(
        lambda: plain(Apply(lambda x: x - x.mean(1, keepdim=True))), frozen={"stem": "'m0' reduces over them (mean)"}
    ),
    "constant added to channels": Case(
        lambda: plain(Apply(lambda x: x + torch.arange(8.0).reshape(1, 8, 1, 1))),
        frozen={"stem": "'m0' combines them (add) with something that has no channels there"},
    ),
}

PRUNABLE = {name: case for name, case in ZOO.items() if case.groups}


@cache
def traced(name: str) -> tuple[Case, nn.Module, Traced]:
    """A case of the zoo with its network and trace, made once."""
    case = ZOO[name]
    model = case.model()
    return case, model, trace(model, case.example())
