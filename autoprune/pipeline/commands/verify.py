"""autoprune tables verify: what a table predicts of networks that it was not made from, against the clock."""

from __future__ import annotations

from pathlib import Path

from autoprune.errors import BadInput
from autoprune.evaluation.registry import load_task
from autoprune.models import default_input
from autoprune.pipeline.costs.table import copies_of, digest, telling
from autoprune.pipeline.subject import Network
from autoprune.profiler.runtime.fingerprint import Fingerprint
from autoprune.profiler.table.latency_table import LatencyTable
from autoprune.profiler.table.verification import Verification
from autoprune.profiler.verify import verify
from autoprune.progress import Progress, Silent
from autoprune.spec import ModelSpec, RunSpec
from autoprune.tables.reading import read_table

_SILENT = Silent()


def verify_table(
    path: Path, model: ModelSpec, input_shape: tuple[int, ...] | None, count: int, progress: Progress = _SILENT
) -> Verification:
    """Measure `count` unseen networks against what the table predicts; the result is stored with the table."""
    shape = input_shape or default_input(model.name)
    if shape is None:
        raise BadInput(f"the input of {model.name} is not known; add --input, as in --input 1,3,224,224")
    table = _table_of_this_device(path)
    return _verify(path, table, Network.load(model, shape[1:]), shape[0], count, progress)


def verify_table_of_run(path: Path, spec: RunSpec, count: int, progress: Progress = _SILENT) -> Verification:
    """The same for the network of a run: with the outputs that its task has, at its input."""
    table = _table_of_this_device(path)
    task = load_task(spec.task)
    network = Network.load(spec.model, task.input_shape, task.num_classes)
    return _verify(path, table, network, spec.device.batch, count, progress)


def _table_of_this_device(path: Path) -> LatencyTable:
    table = read_table(path)
    table.fingerprint.require_same(Fingerprint.here(table.fingerprint.device))
    return table


def _verify(
    path: Path, table: LatencyTable, network: Network, batch: int, count: int, progress: Progress
) -> Verification:
    name = digest(network, batch)
    table.network(name)
    copies = copies_of(network, (batch, *network.example.shape[1:]), 0, progress)
    with progress.stage("measuring unseen networks"):
        found = verify(copies, table, device=table.fingerprint.device, count=count, on_progress=telling(progress))
    table.verified(name, found).save(path)
    return found
