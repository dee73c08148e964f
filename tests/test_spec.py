"""The spec: one validator, whose errors name the field, and a text form that leads back."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoprune.budget import Budget
from autoprune.cost import Metric
from autoprune.errors import BadInput
from autoprune.floor import Floor
from autoprune.spec import AgentSpec, RunSpec, read_toml

SMALL: dict[str, Any] = {
    "model": {"name": "resnet20"},
    "task": {"name": "digits"},
    "search": {"budgets": ["latency=0.5x"]},
}


def changed(where: str, value: object) -> dict[str, Any]:
    """The small spec with one field set: `search.trials` is `trials` in section `search`."""
    *sections, field = where.split(".")
    data = {key: dict(section) for key, section in SMALL.items()}
    target: dict[str, Any] = data
    for section in sections:
        target = target.setdefault(section, {})
    target[field] = value
    return data


def test_a_small_spec_takes_defaults_for_the_rest() -> None:
    spec = RunSpec.parse(SMALL)
    assert spec.search.budgets == (Budget(Metric.LATENCY, 0.5, relative=True),)
    assert (spec.name, spec.device.provider, spec.search.agent, spec.finetune.epochs) == ("run", "cpu", "knapsack", 0)


@given(
    trials=st.integers(1, 10_000),
    seed=st.integers(0, 2**32 - 1),
    budgets=st.lists(st.sampled_from(Metric), min_size=1, max_size=3, unique=True),
    share=st.sampled_from([0.25, 0.5, 1.0]),
    epochs=st.integers(0, 300),
    table=st.none() | st.just("table.json"),
    keep=st.lists(st.sampled_from(["conv1", "layer1.*"]), unique=True),
)
def test_its_toml_leads_back_to_it(
    trials: int, seed: int, budgets: list[Metric], share: float, epochs: int, table: str | None, keep: list[str]
) -> None:
    data = changed("search.trials", trials)
    data["search"] |= {"seed": seed, "keep": keep, "budgets": [f"{metric}={share}x" for metric in budgets]}
    data |= {"finetune": {"epochs": epochs}, "device": {} if table is None else {"table": table}}
    spec = RunSpec.parse(data)
    assert RunSpec.parse(tomllib.loads(spec.to_toml())) == spec


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        ("search.trials", 0, r"search\.trials: .*greater than or equal to 1, got 0"),
        ("search.trials", "many", r"search\.trials: .*valid integer.*got 'many'"),
        ("search.seed", 2**32, r"search\.seed: .*less than 4294967296"),
        ("search.budgets", [], r"the spec: no budget, floor or front is asked for"),
        ("search.floor", "dense-0.01", r"search: a floor needs one cost to minimise"),
        ("search.floor", "a lot", r"a floor reads SCORE or dense-DROP.*got 'a lot'"),
        ("search.minimise", "macs", r"search: a cost is minimised down to a floor, or along a front"),
        ("search.minimise", "speed", r"search\.minimise\.0: .*'macs', 'params'.*got 'speed'"),
        ("also", ["phone.json"], r"also\.0: another device reads TABLE:BUDGET.*got 'phone.json'"),
        ("also", ["phone.json:macs=0.5x"], r"also\.0\.budgets: macs=0.5x is the same on every device"),
        ("search.budgets", ["macs=0.5x", "macs=3M"], r"search\.budgets: .*one budget a metric, got macs=0.5x, macs="),
        ("search.budgets", ["latency=fast"], "METRIC=LIMIT.*got 'latency=fast'"),
        ("search.reward", "speed", "unknown reward 'speed'; choose from accuracy"),
        ("search.criterion", "taylr", "there is no criterion 'taylr'; did you mean 'taylor'?"),
        ("search.criterion", "", "there is no criterion ''; autoprune criteria list names them all"),
        ("device.provider", "tpu", r"device\.provider: .*'cpu' or 'cuda', got 'tpu'"),
        ("device.threads", 0, r"device\.threads: .*got 0"),
        ("device.batch", 70_000, r"device\.batch: .*65536, got 70000"),
        ("finetune.momentum", 1.0, r"finetune\.momentum: .*less than 1, got 1.0"),
        ("finetune", {"device": "cuda:1", "devices": 2}, r"finetune: cuda:1 is one GPU, .* give device = cuda$"),
        ("recipes.precision", "float16", r"recipes: float16 is for GPUs, .* give bfloat16 or float32$"),
        ("name", "../up", r"name: .*pattern.*got '../up'"),
        ("search.trails", 5, r"search\.trails: .*not permitted, got 5"),
    ],
)
def test_what_is_refused_says_the_field_the_rule_and_the_value(where: str, value: object, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        RunSpec.parse(changed(where, value))


def test_a_missing_section_is_named_and_the_others_counted() -> None:
    with pytest.raises(BadInput, match=r"the spec: model: Field required.*\(and 2 more\)"):
        RunSpec.parse({})


def test_a_spec_cannot_be_changed_afterwards() -> None:
    spec = RunSpec.parse(SMALL)
    with pytest.raises(Exception, match="frozen"):
        spec.search.trials = 3  # type: ignore[misc]


def test_it_tells_which_metrics_have_to_be_known() -> None:
    search = RunSpec.parse(SMALL | {"search": {"pareto": True, "minimise": "size"}}).search
    assert [m for m in Metric if search.concerns(m)] == [Metric.SIZE]
    assert [m for m in Metric if RunSpec.parse(SMALL).search.concerns(m)] == [Metric.LATENCY]


@pytest.mark.parametrize(
    ("search", "traded"),
    [
        ({"minimise": ["latency", "size"]}, (Metric.LATENCY, Metric.SIZE)),
        ({"minimise": "energy", "budgets": ["macs=0.5x"]}, (Metric.ENERGY,)),
        ({"budgets": ["params=0.5x", "memory=0.5x", "macs=0.5x"]}, (Metric.PARAMS, Metric.MEMORY)),
        ({}, (Metric.MACS,)),
    ],
)
def test_a_front_is_against_what_is_minimised_or_limited(search: dict[str, Any], traded: tuple[Metric, ...]) -> None:
    assert RunSpec.parse(SMALL | {"search": {"pareto": True, **search}}).search.traded == traded


@pytest.mark.parametrize("costs", [["macs", "macs"], ["macs", "params", "size"]])
def test_a_front_is_against_two_different_costs_at_most(costs: list[str]) -> None:
    with pytest.raises(BadInput, match="minimise one cost, or two different ones, got macs, "):
        RunSpec.parse(SMALL | {"search": {"pareto": True, "minimise": costs}})


def test_a_floor_and_other_devices_survive_their_toml() -> None:
    search = {"floor": 0.91, "minimise": "latency"}
    spec = RunSpec.parse(SMALL | {"search": search, "also": ["a:b.json:latency=0.6x,energy=3mJ"]})
    assert (spec.search.floor, spec.also[0].table) == (Floor(0.91), Path("a:b.json"))
    assert [str(b) for b in spec.also[0].budgets] == ["latency=0.6x", "energy=3"]
    assert RunSpec.parse(tomllib.loads(spec.to_toml())) == spec


def test_a_file_is_read_like_its_dict(tmp_path: Path) -> None:
    path = tmp_path / "spec.toml"
    path.write_text(RunSpec.parse(SMALL).to_toml())
    assert RunSpec.load(path) == RunSpec.parse(SMALL)


def test_an_error_in_a_file_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "spec.toml"
    path.write_text(RunSpec.parse(SMALL).to_toml().replace("trials = 200", "trials = 0"))
    with pytest.raises(BadInput, match=r"spec\.toml: search\.trials"):
        RunSpec.load(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"name = \n[model]", "not valid TOML.*line 1"), (b"\xff\xfe", "not valid TOML"), (None, "no such file")],
)
def test_an_unreadable_file_says_why(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "spec.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadInput, match=rf"spec\.toml: {message}"):
        read_toml(path)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        read_toml(tmp_path)


def test_an_agent_is_read_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\nsearcher = "random"\nsummary = "s"\nsource = "here"\n[settings]\nbatch = 4\n')
    agent = AgentSpec.load(path)
    assert (agent.name, agent.searcher, agent.settings) == ("mine", "random", {"batch": 4})


@pytest.mark.parametrize("name", ["Mine", "my agent", "", "-x"])
def test_an_agents_name_is_a_plain_word(tmp_path: Path, name: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f'name = "{name}"\nsearcher = "random"\nsummary = "s"\nsource = "here"\n')
    with pytest.raises(BadInput, match=r"mine\.toml: name: .*pattern"):
        AgentSpec.load(path)
