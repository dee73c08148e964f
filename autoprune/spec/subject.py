"""Which network, and on which data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field

from autoprune.spec.section import Section


class ModelSpec(Section):
    """Which network: a built-in name, a torchvision or timm name, or `module:function`."""

    name: str = Field(description="built-in, torchvision or timm name, or module:function returning an nn.Module")
    weights: Path | None = Field(None, description="a .safetensors file with the network's weights")
    options: dict[str, Any] = Field(default_factory=dict, description="keyword arguments of the model's function")


class TaskSpec(Section):
    """Which data and metric, and how many images each split takes."""

    name: str = Field(description="digits, cifar10, imagefolder, or module:function returning a Task")
    data: Path | None = Field(None, description="file or folder of the data; not needed for digits")
    calibration: int = Field(1024, ge=1, description="images for calibration statistics")
    validation: int = Field(1024, ge=1, description="images that score policies during the search")
    selection: int = Field(1024, ge=1, description="images that choose among the finalists")
    options: dict[str, Any] = Field(default_factory=dict, description="keyword arguments of the task's function")
