"""What the stages of one run work on: loaded when a stage first needs it, kept for as long as the process lives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

from safetensors.torch import load_file
from torch import nn

from autoprune.deploy.policy.document import PolicyFile
from autoprune.deploy.run_folder import RunFolder
from autoprune.pipeline.costs.costing import Costing, cost_policies
from autoprune.pipeline.delivery.export import kept_arrays, write_tensors
from autoprune.pipeline.scores.scoring import Scoring
from autoprune.pipeline.subject import Subject, prepare
from autoprune.progress import Progress
from autoprune.space import Policy
from autoprune.spec import RunSpec
from autoprune.tracing.groups import IntArray


class Bench:
    """A run's spec and folder, and what is made of them; a `subject` that is in memory already may be given."""

    def __init__(self, spec: RunSpec, folder: RunFolder, progress: Progress, subject: Subject | None = None) -> None:
        self.spec, self.folder, self.progress = spec, folder, progress
        self._given = subject
        self._modules: dict[str, nn.Module] = {}

    @cached_property
    def subject(self) -> Subject:
        """The dense network, traced, and its task's splits."""
        return self._given or prepare(self.spec, self.folder, self.progress)

    @cached_property
    def costing(self) -> Costing:
        """What policies cost; where a table is needed and none is there, the device is profiled."""
        return cost_policies(self.subject.network, self.spec, self.folder.table, self.progress)

    @cached_property
    def scoring(self) -> Scoring:
        """The calibration statistics and the ledger."""
        return Scoring.of(self.spec, self.subject, self.costing, self.folder.study, self.progress)

    @cached_property
    def chosen(self) -> tuple[Policy, Sequence[IntArray]]:
        """The chosen policy and the units that it keeps in each group, as policy.json says."""
        return kept_arrays(PolicyFile.load(self.folder.policy), self.subject.network)

    def module(self, name: str, make: Callable[[], nn.Module]) -> nn.Module:
        """The chosen network as the stage `name` leaves it: restored, or made now and its tensors kept."""
        path = self.folder.left_by(name)
        if name not in self._modules and path.is_file():
            self._modules[name] = self._restored(name)
        elif name not in self._modules:
            self._modules[name] = make()
            write_tensors(self._modules[name], path)
        return self._modules[name]

    def _restored(self, name: str) -> nn.Module:
        network = self.subject.network
        module = network.traced.slice(network.model, self.chosen[1])
        state = load_file(self.folder.left_by(name))
        for missing in state.keys() - module.state_dict().keys():
            layer, _, bias = missing.rpartition(".")  # a refit gives a bias to layers that had none
            setattr(module.get_submodule(layer), bias, nn.Parameter(state[missing]))
        module.load_state_dict(state)
        return module.eval()
