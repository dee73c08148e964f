from __future__ import annotations

from autoprune.client.documents import TrialDocument
from autoprune.cost import Metric
from autoprune.service.web.numbers.trials import Series, best_so_far, leading, metrics_of, rewards, trades


def trial(number: int, reward: float | None, score: float | None = None, **costs: float) -> TrialDocument:
    return TrialDocument(number=number, agent="a", reward=reward, score=score, costs=costs, widths=(1,))


SEARCH = [trial(0, 0.2), trial(1, None), trial(2, 0.5), trial(3, 0.5), trial(4, 0.1)]


def test_the_best_so_far_rises_only_and_reaches_the_last_trial() -> None:
    assert best_so_far(SEARCH) == Series((0, 2, 4), (0.2, 0.5, 0.5))
    assert best_so_far([]) == Series((), ())
    assert len(best_so_far([trial(0, None)])) == 0


def test_trials_without_a_reward_leave_a_gap() -> None:
    assert rewards(SEARCH).xs == (0, 2, 3, 4)


def test_the_earlier_of_equals_leads() -> None:
    found = leading(SEARCH)
    assert found is not None
    assert found.number == 2
    assert leading([trial(0, None)]) is None


def test_negative_rewards_are_compared_as_numbers() -> None:
    found = leading([trial(0, -0.5), trial(1, -0.1)])
    assert found is not None
    assert found.number == 1


def test_a_cost_is_offered_where_every_trial_has_it() -> None:
    assert metrics_of([trial(0, 1, macs=3, latency=1), trial(1, 1, macs=2)]) == [Metric.MACS]
    assert metrics_of([]) == []


def test_the_front_holds_what_nothing_beats_by_ascending_cost() -> None:
    found = trades(
        [trial(i, s, s, macs=m) for i, (s, m) in enumerate([(0.9, 5), (0.5, 1), (0.4, 2), (0.7, 3)])], Metric.MACS
    )
    assert found.front == Series((1, 3, 5), (0.5, 0.7, 0.9))
    assert len(found.every) == 4


def test_without_scores_there_is_no_front() -> None:
    assert len(trades([trial(0, 0.1, macs=1)], Metric.MACS).front) == 0
