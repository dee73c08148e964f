"""Flags that override a spec: a table of which flag sets which field, and a decorator that gives them to a command."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_type_hints

import typer

from autoprune.errors import BadInput

if TYPE_CHECKING:
    from pydantic import BaseModel

    from autoprune.spec import RunSpec

    SectionT = TypeVar("SectionT", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag, the field of RunSpec that it sets, and the type it is read as."""

    option: str
    field: tuple[str, ...]
    kind: Any
    help: str

    @property
    def argument(self) -> str:
        """Name of the Python argument that carries its value."""
        return self.option.removeprefix("--").replace("-", "_")


FLAGS = (
    Flag("--name", ("name",), str, "Name of the run; its folder is runs/NAME unless --out is given."),
    Flag("--model", ("model", "name"), str, "A built-in name, a torchvision or timm name, or module:function."),
    Flag("--weights", ("model", "weights"), Path, "A .safetensors file with the network's weights."),
    Flag("--task", ("task", "name"), str, "digits, cifar10, imagefolder, or module:function."),
    Flag("--data", ("task", "data"), Path, "File or folder of the task's data."),
    Flag("--budget", ("search", "budgets"), list[str], "latency=0.5x, latency=8ms, macs=60M, ...; may be repeated."),
    Flag("--floor", ("search", "floor"), str, "Least score that is kept: dense-0.01 (below the dense one), or 0.91."),
    Flag("--minimise", ("search", "minimise"), list[str], "The cost to make least: latency, macs, ...; one or two."),
    Flag("--pareto", ("search", "pareto"), bool, "Find every best trade of score against the costs to minimise."),
    Flag("--levels", ("search", "levels"), int, "Budget levels that a front or a floor is searched at."),
    Flag("--criterion", ("search", "criterion"), str, "What ranks channels: a name from `autoprune criteria list`."),
    Flag("--keep", ("search", "keep"), list[str], "A channel group to leave whole, or layer1.*; may be repeated."),
    Flag("--also", ("also",), list[str], "Another device's TABLE:latency=0.6x to keep as well; may be repeated."),
    Flag("--agent", ("search", "agent"), str, "A name from `autoprune agents list`, or a TOML file."),
    Flag("--warm-start", ("search", "warm_start"), str, "An agent that spends the first quarter of the trials."),
    Flag("--trials", ("search", "trials"), int, "Policies to score."),
    Flag("--seed", ("search", "seed"), int, "Seed of everything random."),
    Flag("--reward", ("search", "reward"), str, "accuracy, R_err, R_FLOPs, R_param, agreement or kl."),
    Flag("--table", ("device", "table"), Path, "A latency table; without one the device is profiled first."),
    Flag("--allow-foreign-table", ("device", "allow_foreign_table"), bool, "Accept another device's table."),
    Flag("--provider", ("device", "provider"), str, "ONNX Runtime execution provider: cpu or cuda."),
    Flag("--threads", ("device", "threads"), int, "Threads of the runtime."),
    Flag("--affinity", ("device", "affinity"), str, "Processors to stay on, as in 0,1 (default: any)."),
    Flag("--batch", ("device", "batch"), int, "Images per inference."),
    Flag("--seconds", ("device", "seconds"), float, "Time to spend on profiling, where it is needed."),
    Flag("--finetune-epochs", ("finetune", "epochs"), int, "Epochs of fine-tuning after the search; 0 for none."),
)
_REQUIRED = ("--model", "--task")
_GOALS = ("--budget", "--floor", "--pareto", "--also")
_NOTHING: Mapping[str, Any] = MappingProxyType({})

SpecFile = Annotated[Path | None, typer.Argument(metavar="SPEC.toml", help="The run's spec; flags override it.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else there.")]
ModelName = Annotated[str, typer.Option("--model", help=FLAGS[1].help)]
Weights = Annotated[Path | None, typer.Option("--weights", help=FLAGS[2].help)]
Provider = Annotated[str, typer.Option("--provider", help="ONNX Runtime execution provider: cpu or cuda.")]
Threads = Annotated[int, typer.Option("--threads", help="Threads of the runtime.")]
Affinity = Annotated[
    str, typer.Option("--affinity", metavar="CORES", help="Processors to stay on, as in 0,1 (default: any).")
]
Shape = Annotated[str, typer.Option("--input", metavar="N,C,H,W", help="Batch and shape of the input.")]

Command = Callable[..., None]


def spec_command(
    *, folder: str = "{name}", without: Sequence[str] = (), beneath: Mapping[str, Any] = _NOTHING
) -> Callable[[Command], Command]:
    """Makes a Typer command of `command(spec, out, as_json, ...)`: it takes SPEC.toml, every flag above, --out, --json.

    The command's further parameters become options of its own. `folder` is what its folder in runs/
    is called after the spec's name, `without` are flags that mean nothing to it, and what is not
    given it finds `beneath`: a part of a spec.
    """

    def decorate(command: Command) -> Command:
        own = _own_options(command)
        flags = [flag for flag in FLAGS if flag.option not in without]

        def with_flags(spec_file: Path | None, out: Path | None, as_json: bool, **given: Any) -> None:
            options = {name: given.pop(name) for name in own}
            spec = read_spec(spec_file, given, beneath)
            command(spec, out or Path("runs") / folder.format(name=spec.name), as_json, **options)

        keyword = inspect.Parameter.KEYWORD_ONLY
        parameters = [
            inspect.Parameter("spec_file", keyword, default=None, annotation=SpecFile),
            *own.values(),
            *(inspect.Parameter(f.argument, keyword, default=None, annotation=_annotation(f)) for f in flags),
            inspect.Parameter("out", keyword, default=None, annotation=_out_folder(folder)),
            inspect.Parameter("as_json", keyword, default=False, annotation=Json),
        ]
        with_flags.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        with_flags.__name__, with_flags.__doc__ = command.__name__, command.__doc__
        return with_flags

    return decorate


takes_spec = spec_command()


def _own_options(command: Command) -> dict[str, inspect.Parameter]:
    """The parameters after `spec, out, as_json`, by name, with annotations that Typer can read."""
    hints = get_type_hints(command, localns={"RunSpec": object}, include_extras=True)  # imported for type checkers only
    own = list(inspect.signature(command).parameters.values())[3:]
    keyword = inspect.Parameter.KEYWORD_ONLY
    return {p.name: p.replace(kind=keyword, annotation=hints[p.name]) for p in own}


def _out_folder(folder: str) -> object:
    return Annotated[
        Path | None, typer.Option("--out", help=f"Folder to work in (default: runs/{folder.format(name='NAME')}).")
    ]


def _annotation(flag: Flag) -> object:
    return Annotated[flag.kind | None, typer.Option(flag.option, help=flag.help)]


def read_spec(spec_file: Path | None, given: Mapping[str, object], beneath: Mapping[str, Any] = _NOTHING) -> RunSpec:
    """The spec in `spec_file`, if any, with the flags `given` (by argument name; None is absent) laid over it.

    `beneath` holds sections with the values of what neither gives.
    """
    from autoprune.spec import RunSpec, read_toml

    tree = read_toml(spec_file) if spec_file else {}
    for flag in FLAGS:
        if (value := given.get(flag.argument)) not in (None, []):
            tree = _with(tree, flag.field, value)
    for section_name, fields in beneath.items():
        for name, value in fields.items():
            if not _has(tree, (section_name, name)):
                tree = _with(tree, (section_name, name), value)
    source = f"{spec_file} with the flags" if spec_file else "the flags"
    for flag in FLAGS:
        if flag.option in _REQUIRED and not _has(tree, flag.field):
            missing, field = flag.option.removeprefix("--"), ".".join(flag.field)
            raise BadInput(f"{source}: no {missing} given; add {flag.option}, or {field} to a spec")
    if not any(_has(tree, flag.field) for flag in FLAGS if flag.option in _GOALS):
        raise BadInput(f"{source}: no budget given; add --budget, as in latency=0.5x, or search.budgets to a spec")
    return RunSpec.parse(tree, source)


def _with(tree: Mapping[str, Any], field: tuple[str, ...], value: object) -> dict[str, Any]:
    head, *rest = field
    if not rest:
        return {**tree, head: value}
    inner = tree.get(head, {})
    if not isinstance(inner, Mapping):
        return dict(tree)  # not a section: left for the spec's validator to name
    return {**tree, head: _with(inner, tuple(rest), value)}


def _has(tree: Mapping[str, Any], field: tuple[str, ...]) -> bool:
    head, *rest = field
    inner = tree.get(head)
    if not rest or not isinstance(inner, Mapping):
        return inner is not None
    return _has(inner, tuple(rest))


def section(kind: type[SectionT], **values: object) -> SectionT:
    """A section of the spec made from flags alone; raises `BadInput` that names the field."""
    from pydantic import ValidationError

    from autoprune.deploy.document.reading import first_mistake

    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise BadInput(f"the flags: {first_mistake(error)}") from None


def input_shape(text: str) -> tuple[int, ...]:
    """Read `1,3,224,224`: batch first; raises `BadInput`."""
    parts = text.split(",")
    if len(parts) < 2 or not all(p.strip().isascii() and p.strip().isdecimal() and int(p) > 0 for p in parts):
        raise BadInput(f"--input reads N,C,H,W in positive integers, batch first, as in 1,3,224,224; got {text!r}")
    return tuple(int(p) for p in parts)
