"""Networks as files: policy.json, the ONNX file and tensors of one, ONNX files of several for as long as it takes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor, nn

from autoprune.deploy.onnx_file.export import export_onnx
from autoprune.deploy.onnx_file.parity import require_parity
from autoprune.deploy.policy.document import PolicyFile
from autoprune.deploy.run_folder import RunFolder
from autoprune.evaluation.images import ImageSet
from autoprune.files import write_atomic
from autoprune.pipeline.subject import Network
from autoprune.space import Policy
from autoprune.tracing.groups import IntArray

# Images that the exported network is checked on against the module.
_PARITY_IMAGES = 64


def policy_file(network: Network, kept: Sequence[IntArray], criterion: str) -> PolicyFile:
    """policy.json of the units `kept` in each group, which `criterion` ranked."""
    units: Mapping[str, tuple[int, ...]] = {
        g.name: tuple(int(u) for u in own) for g, own in zip(network.traced.space.groups, kept, strict=True)
    }
    return PolicyFile.of(network.name, network.fingerprint, network.traced.space, units, criterion)


def kept_arrays(file: PolicyFile, network: Network) -> tuple[Policy, list[IntArray]]:
    """The policy of a policy file and its kept units per group, checked against the network."""
    space = network.traced.space
    file.check(network.fingerprint, space)
    return file.policy(space), [np.array(file.groups[g.name].kept) for g in space.groups]


def parity_images(images: ImageSet) -> Tensor:
    """As many of `images` as an exported network is checked on."""
    inputs, _ = images.batch(torch.arange(min(_PARITY_IMAGES, len(images))))
    return inputs


def write_network(module: nn.Module, example: Tensor, images: Tensor, folder: RunFolder) -> float:
    """Export `module` for inputs shaped like `example`, check the export on `images`, write the tensors.

    Returns the maximum absolute difference between the two; raises `AutopruneError` where it is over 1e-4.
    """
    export_onnx(module, example, folder.model)
    difference = require_parity(module, folder.model, images)
    write_tensors(module, folder.weights)
    return difference


def write_tensors(module: nn.Module, path: Path) -> None:
    """Write the tensors of `module` to the safetensors file `path`, in one step."""
    write_atomic(path, save({k: v.contiguous() for k, v in module.state_dict().items()}))


@contextmanager
def exported(modules: Sequence[nn.Module], example: Tensor) -> Iterator[list[Path]]:
    """ONNX files of `modules`, for as long as the block runs."""
    with tempfile.TemporaryDirectory() as place:
        paths = [Path(place) / f"{i}.onnx" for i in range(len(modules))]
        for module, path in zip(modules, paths, strict=True):
            export_onnx(module, example, path)
        yield paths
