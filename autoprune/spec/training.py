"""How networks learn: blocks on calibration images, and whole networks on a task."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from autoprune.spec.section import Section


class ReconstructionSpec(Section):
    """Training of the pruned network's blocks on the dense network's outputs, without labels: each, then all together.

    The defaults were chosen on training images of CIFAR-10, for a ResNet-56 and a ResNet-20 at half
    their MACs: by how far their outputs then were from the dense network's on other images.
    """

    steps: int = Field(200, ge=0, description="gradient steps a block; 0 to leave all of it out")
    together: int = Field(800, ge=0, description="then gradient steps of all blocks together; 0 to leave these out")
    learning_rate: float = Field(3e-3, gt=0, description="of Adam at the start of its cosine; together, a third of it")
    batch: int = Field(32, ge=1, description="calibration images a step")


class Hardware(Section):
    """What a training runs on, and how precisely layers compute there; weights are float32 in any case."""

    device: Annotated[str, Field(pattern=r"^(cpu|cuda(:\d+)?)$")] = Field("cpu", description="cpu, cuda, or cuda:1")
    devices: int = Field(1, ge=1, description="GPUs that share each batch; of a CPU, processes")
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="what layers compute in; auto is float16 on a GPU and float32 on a CPU"
    )

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.devices > 1 and ":" in self.device:
            raise ValueError(f"{self.device} is one GPU, devices = {self.devices} asks for more; give device = cuda")
        if self.precision == "float16" and self.device == "cpu":
            raise ValueError("float16 is for GPUs, a CPU takes far longer in it; give bfloat16 or float32")
        return self


class TrainingSpec(Hardware):
    """Training on a task: SGD with Nesterov momentum, its learning rate on a schedule, step by step."""

    epochs: int = Field(0, ge=0, description="passes over the training split")
    learning_rate: float = Field(0.01, gt=0, description="of SGD at the start of its schedule")
    schedule: Literal["cosine", "step", "constant"] = Field("cosine", description="how the learning rate falls")
    rewound: float = Field(0.0, ge=0, lt=1, description="share of the schedule that is left out at its start")
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(5e-4, ge=0)
    batch: int = Field(128, ge=1, description="images a step")
    clip: float | None = Field(
        None, gt=0, description="length a step's gradient is shortened to (Pascanu et al., 2013)"
    )
    distillation: float = Field(0.0, ge=0, le=1, description="weight of the dense network's outputs in the loss")
    temperature: float = Field(4.0, gt=0, description="softening of the distillation targets (Hinton et al., 2015)")
    mixup: bool = Field(False, description="train on mixtures of two images each (Zhang et al., 2018)")
    frozen_norms: bool = Field(False, description="batch norms keep the statistics that they have at the start")


class FinetuneSpec(TrainingSpec):
    """Training of the pruned network; `epochs = 0` leaves it out.

    The defaults were chosen on training images of CIFAR-10, for a reconstructed ResNet-56: by how far
    its outputs then were from the dense network's on images that it was not trained on.
    """

    epochs: int = Field(0, ge=0, description="passes over the training split; 0 for no fine-tuning")
    weight_decay: float = Field(0.0, ge=0)
    batch: int = Field(64, ge=1, description="images a step")
    clip: float | None = Field(1.0, gt=0, description="length a step's gradient is shortened to (Pascanu et al., 2013)")
    distillation: float = Field(1.0, ge=0, le=1, description="weight of the dense network's outputs in the loss")
    temperature: float = Field(1.0, gt=0, description="softening of the distillation targets (Hinton et al., 2015)")
    mixup: bool = Field(True, description="train on mixtures of two images each (Zhang et al., 2018)")
    frozen_norms: bool = Field(True, description="batch norms keep the statistics that they were refitted with")


class RecipesSpec(Hardware):
    """How recipes train: at which rate the dense network was trained, and how many epochs they get."""

    epochs: int = Field(4, ge=1, description="passes that make the trained network sparse")
    recovery: int = Field(2, ge=0, description="passes after pruning")
    scratch: int = Field(12, ge=1, description="passes of a training that begins at random weights")
    learning_rate: float = Field(0.1, gt=0, description="that the dense network was trained with")
    fine: float = Field(0.1, gt=0, le=1, description="share of it that a trained network is trained on with")
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(5e-4, ge=0)
    batch: int = Field(64, ge=1, description="images a step")
    clip: float | None = Field(1.0, gt=0, description="length a step's gradient is shortened to (Pascanu et al., 2013)")
    tolerance: float = Field(0.01, ge=0, lt=1, description="score that may be lost where it is to be preserved")
    compression: float = Field(2.0, ge=1, description="parameters before by those after, where that is aimed at")

    @property
    def original(self) -> TrainingSpec:
        """Training from random weights."""
        return self._training(self.scratch, 1.0)

    @property
    def sparsifying(self) -> TrainingSpec:
        """Training on, in which a recipe makes the network sparse; the rate stays, as there is work until the end."""
        return self._training(self.epochs, self.fine).model_copy(update={"schedule": "constant"})

    @property
    def finetuning(self) -> TrainingSpec:
        """Training of the pruned network at a small rate."""
        return self._training(self.recovery, self.fine)

    def _training(self, epochs: int, share: float) -> TrainingSpec:
        return TrainingSpec(
            epochs=epochs,
            learning_rate=share * self.learning_rate,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            batch=self.batch,
            clip=self.clip,
            device=self.device,
            devices=self.devices,
            precision=self.precision,
        )
