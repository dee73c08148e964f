"""What a user asks for, a section a module: `RunSpec` holds them all, `AgentSpec` is a file of its own."""

from autoprune.spec.agent import AgentSpec
from autoprune.spec.criterion import CRITERIA, DEFAULT_CRITERION, known_criterion
from autoprune.spec.device import DeviceSpec, OtherDeviceSpec
from autoprune.spec.run import RunSpec
from autoprune.spec.search import SearchSpec
from autoprune.spec.section import read_toml
from autoprune.spec.subject import ModelSpec, TaskSpec
from autoprune.spec.training import FinetuneSpec, Hardware, RecipesSpec, ReconstructionSpec, TrainingSpec

__all__ = [
    "CRITERIA",
    "DEFAULT_CRITERION",
    "AgentSpec",
    "DeviceSpec",
    "FinetuneSpec",
    "Hardware",
    "ModelSpec",
    "OtherDeviceSpec",
    "RecipesSpec",
    "ReconstructionSpec",
    "RunSpec",
    "SearchSpec",
    "TaskSpec",
    "TrainingSpec",
    "known_criterion",
    "read_toml",
]
