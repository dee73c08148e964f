"""Which policy is handed over once it was measured; the clock is told what to say, as no real one errs by a hair."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from autoprune.cost import Measurement, Metric
from autoprune.deploy.run_folder import RunFolder
from autoprune.device import Device
from autoprune.errors import BudgetUnreachable
from autoprune.pipeline.delivery import keeping
from autoprune.pipeline.delivery.keeping import keep_when_measured
from autoprune.pipeline.delivery.measuring import Measure
from autoprune.pipeline.goals.search import Found, choose, explore_with
from autoprune.pipeline.stages.bench import Bench
from autoprune.progress import Silent
from autoprune.spec import RunSpec

LIMIT = 0.8
SPEC = RunSpec.parse(
    {
        "name": "digits",
        "model": {"name": "digits_cnn", "options": {"widths": [8, 16, 16]}},
        "task": {"name": "digits", "calibration": 64, "validation": 64, "selection": 64},
        "device": {"seconds": 1, "batch": 32},
        "search": {"agent": "random", "trials": 6, "finalists": 1, "budgets": [f"latency={LIMIT}x"]},
    }
)


class Clock:
    """Tells 1 ms of the dense network, and of pruned ones these shares of the limit, one by one."""

    def __init__(self, *shares: float, spread: float) -> None:
        self.left, self.spread = list(shares), spread

    def measures(self, _device: Device) -> Mapping[Metric, Measure]:
        return {Metric.LATENCY: self._measure}

    def _measure(self, networks: Sequence[Path]) -> list[Measurement]:
        assert len(networks) == 2
        time = LIMIT * self.left.pop(0)
        return [Measurement(1.0, 0.0, 9), Measurement(time, self.spread * time, 9)]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(SPEC, RunFolder.claim(tmp_path_factory.mktemp("runs") / "digits", SPEC), Silent())


@pytest.fixture(scope="module")
def chosen(bench: Bench) -> Found:
    return choose(explore_with(bench.scoring, SPEC, Silent()), Silent())


@pytest.fixture
def kept(bench: Bench, chosen: Found, monkeypatch: pytest.MonkeyPatch) -> Callable[[Clock], Found]:
    """What is handed over instead of what was chosen, where a clock says how long it takes."""

    def keep(clock: Clock) -> Found:
        monkeypatch.setattr(keeping, "measures", clock.measures)
        return keep_when_measured(SPEC, bench.subject, bench.costing, chosen, SPEC.device.device, Silent())

    return keep


def predicted(bench: Bench, found: Found) -> float:
    return bench.costing.model.cost(found.policy).of(Metric.LATENCY)


def test_a_policy_that_keeps_its_budget_for_sure_is_left_as_it_is(
    kept: Callable[[Clock], Found], chosen: Found
) -> None:
    assert kept(Clock(0.998, spread=0.001)) is chosen


@pytest.mark.parametrize(("share", "spread"), [(1.1, 0.0), (1.001, 0.0), (0.998, 0.004), (0.998, 0.3)])
def test_a_policy_that_is_over_its_budget_or_may_be_next_time_is_tightened(
    share: float, spread: float, kept: Callable[[Clock], Found], bench: Bench, chosen: Found
) -> None:
    found = kept(Clock(share, 0.9, spread=spread))
    assert predicted(bench, found) < predicted(bench, chosen)
    assert [judged.policy for judged in found.choice.compared][: len(chosen.choice.compared)] == [
        judged.policy for judged in chosen.choice.compared
    ]


def test_a_spread_counts_for_a_hundredth_at_most(kept: Callable[[Clock], Found], chosen: Found) -> None:
    assert kept(Clock(0.985, spread=0.3)) is chosen


def test_the_last_policy_that_keeps_its_budget_by_a_hair_is_handed_over_where_none_does_better(
    kept: Callable[[Clock], Found], bench: Bench, chosen: Found
) -> None:
    clock = Clock(0.998, 0.998, 0.997, 1.2, spread=0.004)
    found = kept(clock)
    assert not clock.left
    assert predicted(bench, found) < predicted(bench, chosen)
    assert len(found.choice.compared) == 3  # the fourth took 1.2 of it


def test_a_budget_that_no_policy_keeps_when_measured_is_refused(kept: Callable[[Clock], Found]) -> None:
    with pytest.raises(BudgetUnreachable, match=r"no policy kept latency.*4 tried, the last at 1\.050 of it"):
        kept(Clock(1.05, 1.05, 1.05, 1.05, spread=0.0))


def test_other_budgets_are_not_measured(bench: Bench, chosen: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = SPEC.model_copy(update={"search": SPEC.search.model_copy(update={"budgets": ()})})
    monkeypatch.setattr(keeping, "measures", Clock(spread=0.0).measures)
    assert keep_when_measured(spec, bench.subject, bench.costing, chosen, SPEC.device.device, Silent()) is chosen
