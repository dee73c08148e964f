"""autoprune apply: a network cut as a policy file says."""

from __future__ import annotations

from pathlib import Path

from autoprune.cost import Cost, CostModel
from autoprune.deploy.policy.document import PolicyFile
from autoprune.deploy.run_folder import RunFolder
from autoprune.errors import BadInput
from autoprune.evaluation.evaluator import scores
from autoprune.evaluation.registry import load_task
from autoprune.evaluation.splits import draw_splits
from autoprune.models import default_input
from autoprune.pipeline.commands.results import ApplyResult
from autoprune.pipeline.delivery.export import kept_arrays, parity_images, write_network
from autoprune.pipeline.subject import Network
from autoprune.progress import Progress, Silent
from autoprune.pruning import Pruner
from autoprune.space import Policy
from autoprune.spec import ModelSpec, ReconstructionSpec, TaskSpec

_SILENT = Silent()


def apply_policy(
    policy: Path, model: ModelSpec, task: TaskSpec | None, out: Path, progress: Progress = _SILENT
) -> ApplyResult:
    """Slice a network as a policy file says, refit it on the images of `task` if one is given, export it."""
    file = PolicyFile.load(policy)
    data = load_task(task) if task else None
    shape = data.input_shape if data else default_input(model.name, batch=False)
    if shape is None:
        raise BadInput(f"the input of {model.name} is not known; add --task, whose images have it")
    with progress.stage("tracing"):
        network = Network.load(model, tuple(shape), data.num_classes if data else None)
    chosen, kept = kept_arrays(file, network)
    score = None
    if data is not None and task is not None:
        with progress.stage("refitting"):
            splits = draw_splits(data, task, seed=0)
            pruner = Pruner(network.model, network.traced, splits.calibration.inputs)
            refitted = pruner.apply_kept(kept)
        with progress.stage("reconstructing blocks"):
            module = pruner.reconstruct(refitted, kept, ReconstructionSpec(), on_block=progress.advance)
            score = float(scores(module, splits.test, data).double().mean())
        images = parity_images(splits.test)
    else:
        module, images = network.traced.slice(network.model, kept), network.example
    out.mkdir(parents=True, exist_ok=True)
    folder = RunFolder(out)
    with progress.stage("exporting"):
        difference = write_network(module, network.example, images, folder)
    cost = _counted(network, chosen.widths)
    return ApplyResult(
        onnx=folder.model,
        weights=folder.weights,
        macs=round(cost.macs),
        params=round(cost.params),
        parity=difference,
        refitted=data is not None,
        score=score,
    )


def _counted(network: Network, widths: tuple[int, ...]) -> Cost:
    return CostModel(network.traced.space, network.traced.counts).cost(Policy(widths))
