"""RunSpec and AgentSpec: the one validator of what a user asks for, from a TOML file or from JSON."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import tomli_w
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from autoprune.budget import Budget
from autoprune.cost import Metric
from autoprune.device import Device
from autoprune.errors import BadInput
from autoprune.floor import Floor
from autoprune.objective import Objective

T = TypeVar("T", bound=BaseModel)

DEFAULT_CRITERION = "elimination"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _budget(value: object) -> object:
    return Budget.parse(value) if isinstance(value, str) else value


BudgetText = Annotated[
    Budget,
    BeforeValidator(_budget),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["latency=0.5x", "macs=60M"]}),
]


def _floor(value: object) -> object:
    return Floor.parse(str(value)) if isinstance(value, str | float | int) else value


FloorText = Annotated[
    Floor,
    BeforeValidator(_floor),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["dense-0.01", "0.91"]}),
]


def _one_or_several(value: object) -> object:
    return [value] if isinstance(value, str) else value


Metrics = Annotated[tuple[Metric, ...], BeforeValidator(_one_or_several)]
Patterns = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(_one_or_several)]


def _table_and_budgets(value: object) -> object:
    """`TABLE:latency=0.6x,energy=0.5x` as a section's fields; anything else is left to the validator."""
    if not isinstance(value, str):
        return value
    table, colon, budgets = value.rpartition(":")
    if not colon or not table:
        raise ValueError("another device reads TABLE:BUDGET, as in phone.json:latency=0.6x")
    return {"table": table, "budgets": budgets.split(",")}


def _processors(value: object) -> object:
    """`0,1` as a list of numbers; anything else is left to the validator."""
    if not isinstance(value, str):
        return value
    parts = [part.strip() for part in value.split(",") if value.strip()]
    if not all(part.isascii() and part.isdecimal() for part in parts):
        raise ValueError("affinity names processors by number, as in 0,1")
    return [int(part) for part in parts]


def _distinct(processors: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(processors)) < len(processors):
        raise ValueError("affinity names a processor twice")
    return processors


Processors = Annotated[tuple[Annotated[int, Field(ge=0)], ...], BeforeValidator(_processors), AfterValidator(_distinct)]


class ModelSpec(_Section):
    """Which network: a built-in name, a torchvision or timm name, or `module:function`."""

    name: str = Field(description="built-in, torchvision or timm name, or module:function returning an nn.Module")
    weights: Path | None = Field(None, description="a .safetensors file with the network's weights")
    options: dict[str, Any] = Field(default_factory=dict, description="keyword arguments of the model's function")


class TaskSpec(_Section):
    """Which data and metric, and how many images each split takes."""

    name: str = Field(description="digits, cifar10, imagefolder, or module:function returning a Task")
    data: Path | None = Field(None, description="file or folder of the data; not needed for digits")
    calibration: int = Field(1024, ge=1, description="images for calibration statistics")
    validation: int = Field(1024, ge=1, description="images that score policies during the search")
    selection: int = Field(1024, ge=1, description="images that choose among the finalists")
    options: dict[str, Any] = Field(default_factory=dict, description="keyword arguments of the task's function")


class DeviceSpec(_Section):
    """How the network will be executed, and the table that holds its kernel times."""

    provider: Literal["cpu", "cuda"] = Field("cpu", description="ONNX Runtime execution provider")
    threads: int = Field(1, ge=1, le=1024, description="intra-op threads of the runtime")
    affinity: Processors = Field((), description="processors to stay on, [0, 1] or '0,1'; empty for any")
    batch: int = Field(1, ge=1, le=65536, description="images per inference")
    table: Path | None = Field(None, description="a latency table; made by profiling where none is given")
    allow_foreign_table: bool = Field(False, description="accept a table measured on another device")
    seconds: float = Field(60.0, gt=0, description="time to spend on measuring kernels")

    @property
    def device(self) -> Device:
        """How ONNX Runtime is to execute networks."""
        return Device(self.provider, self.threads, self.affinity)


def _one_a_metric(budgets: tuple[Budget, ...]) -> tuple[Budget, ...]:
    metrics = [b.metric for b in budgets]
    if len(set(metrics)) != len(metrics):
        raise ValueError(f"at most one budget a metric, got {', '.join(map(str, budgets))}")
    return budgets


class SearchSpec(_Section):
    """Which agent looks for policies, for how long, under which budgets; or down to which score.

    With `budgets` alone, the best policy that keeps them is chosen. With a `floor`, the one of
    least cost (`minimise`) that keeps the floor, and the budgets. `pareto` asks for all best trades
    of score against the costs `minimise`; where neither budgets nor a floor are given, none of
    them is chosen.
    """

    agent: str = Field("knapsack", description="name of an agent (autoprune agents list) or a path to its TOML file")
    warm_start: str | None = Field(None, description="an agent that spends the first quarter of the trials")
    trials: int = Field(200, ge=1, description="policies to score")
    seed: int = Field(0, ge=0, lt=2**32, description="seed of everything random")
    budgets: tuple[BudgetText, ...] = Field((), description='such as ["latency=0.5x"]; all hold at once')
    floor: FloorText | None = Field(None, description="least score on the selection split: dense-0.01, or 0.91")
    minimise: Metrics = Field((), description="what is to be least: one cost under a floor, one or two of a front")
    pareto: bool = Field(False, description="find the front of score against the costs to minimise")
    levels: int = Field(8, ge=2, le=1000, description="budget levels that a front or a floor is searched at")
    criterion: str = Field(DEFAULT_CRITERION, description="which channels go first: a name of autoprune criteria list")
    keep: Patterns = Field((), description="channel groups to leave whole, by name or pattern, as in layer1.*")
    reward: str = Field("accuracy", description="what a trial's reward is: accuracy, R_err, R_FLOPs, R_param, ...")
    finalists: int = Field(5, ge=1, description="best trials refitted and measured before one is chosen")

    @field_validator("reward")
    @classmethod
    def _known_reward(cls, name: str) -> str:
        return Objective(name).name

    @field_validator("budgets")
    @classmethod
    def _distinct_metrics(cls, budgets: tuple[Budget, ...]) -> tuple[Budget, ...]:
        return _one_a_metric(budgets)

    @model_validator(mode="after")
    def _says_what_to_minimise(self) -> Self:
        if self.floor and len(self.minimise) != 1:
            raise ValueError("a floor needs one cost to minimise, as in minimise = 'latency'")
        if self.minimise and not (self.floor or self.pareto):
            raise ValueError("a cost is minimised down to a floor, or along a front; give floor or pareto")
        if len(set(self.minimise)) != len(self.minimise) or len(self.minimise) > 2:
            raise ValueError(f"minimise one cost, or two different ones, got {', '.join(self.minimise)}")
        return self

    @property
    def traded(self) -> tuple[Metric, ...]:
        """The costs of the front: what is to be minimised, else what budgets limit (two at most), else MACs."""
        return self.minimise or tuple(b.metric for b in self.budgets[:2]) or (Metric.MACS,)

    def concerns(self, metric: Metric) -> bool:
        """Whether `metric` has to be known: a budget limits it, or it is to be minimised."""
        return metric in self.minimise or any(b.metric is metric for b in self.budgets)


class OtherDeviceSpec(_Section):
    """Another device that the same policy is for: its latency table, and what the network may cost there."""

    table: Path = Field(description="the other device's latency table")
    budgets: tuple[BudgetText, ...] = Field(min_length=1, description="on latency or energy there; all hold at once")
    batch: int = Field(1, ge=1, le=65536, description="images per inference there")

    @field_validator("budgets")
    @classmethod
    def _from_a_table(cls, budgets: tuple[Budget, ...]) -> tuple[Budget, ...]:
        if everywhere := [str(b) for b in budgets if b.metric not in (Metric.LATENCY, Metric.ENERGY)]:
            raise ValueError(f"{everywhere[0]} is the same on every device; give it as a budget of the search")
        return _one_a_metric(budgets)


class ReconstructionSpec(_Section):
    """Training of the pruned network's blocks on the dense network's outputs, without labels: each, then all together.

    The defaults were chosen on training images of CIFAR-10, for a ResNet-56 and a ResNet-20 at half
    their MACs: by how far their outputs then were from the dense network's on other images.
    """

    steps: int = Field(200, ge=0, description="gradient steps a block; 0 to leave all of it out")
    together: int = Field(800, ge=0, description="then gradient steps of all blocks together; 0 to leave these out")
    learning_rate: float = Field(3e-3, gt=0, description="of Adam at the start of its cosine; together, a third of it")
    batch: int = Field(32, ge=1, description="calibration images a step")


TrainingDevice = Annotated[str, Field(pattern=r"^(cpu|cuda(:\d+)?)$")]


class TrainingSpec(_Section):
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
    device: TrainingDevice = Field("cpu", description="cpu, or a GPU as in cuda:0, where it trains in mixed precision")


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


class RecipesSpec(_Section):
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
    device: TrainingDevice = Field("cpu", description="cpu, or a GPU as in cuda:0, where they train in mixed precision")
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
        )


class RunSpec(_Section):
    """One run: model, task, device, search, fine-tuning. Paths are relative to the working folder."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")] = "run"
    model: ModelSpec
    task: TaskSpec
    device: DeviceSpec = DeviceSpec()
    also: tuple[Annotated[OtherDeviceSpec, BeforeValidator(_table_and_budgets)], ...] = Field(
        (), description="further devices whose budgets the policy keeps, by their tables"
    )
    search: SearchSpec
    reconstruction: ReconstructionSpec = ReconstructionSpec()
    finetune: FinetuneSpec = FinetuneSpec()
    recipes: RecipesSpec = RecipesSpec()

    @model_validator(mode="after")
    def _something_is_asked_for(self) -> Self:
        if not (self.search.budgets or self.search.floor or self.search.pareto or self.also):
            raise ValueError("no budget, floor or front is asked for, so the search would keep every channel")
        return self

    @property
    def chooses(self) -> bool:
        """Whether one policy is to be chosen; a front alone leaves that open."""
        return bool(self.search.budgets or self.search.floor or self.also)

    @classmethod
    def parse(cls, data: dict[str, Any], source: str = "the spec") -> Self:
        """Validate `data`; raises `BadInput` that names each field, what is wrong and its value."""
        return _validated(cls, data, source)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a TOML file."""
        return cls.parse(read_toml(path), str(path))

    def to_toml(self) -> str:
        """The spec as TOML; `parse` of it gives an equal spec."""
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))


class AgentSpec(_Section):
    """A search agent: which searcher, with which hyper-parameters, and where they come from."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    warm_start: str | None = Field(None, description="an agent that spends the first quarter of the trials")
    searcher: str = Field(description="name of a searcher in the registry (entry point group autoprune.searchers)")
    summary: str = Field(description="what it does, in one sentence")
    source: str = Field(description="paper and section, or documentation, that the settings come from")
    settings: dict[str, Any] = Field(default_factory=dict, description="keyword arguments of the searcher")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a TOML file of `agents/`."""
        return _validated(cls, read_toml(path), str(path))


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file as a dict; raises `BadInput` with the place of the first mistake."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(f"{path}: no such file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: not valid TOML ({error})") from None
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror})") from None


def _validated(model: type[T], data: dict[str, Any], source: str) -> T:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first, *others = error.errors()
        where = ".".join(str(part) for part in first["loc"] if not re.match(r"function-", str(part)))
        what = first["msg"].removeprefix("Value error, ")
        got = "" if isinstance(first["input"], dict) else f", got {first['input']!r}"
        rest = f" (and {len(others)} more)" if others else ""
        raise BadInput(f"{source}: {where + ': ' if where else ''}{what}{got}{rest}") from None
