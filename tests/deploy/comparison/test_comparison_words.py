from __future__ import annotations

import re

import pytest
from comparison_example import GAINS, comparison

from autoprune.deploy.comparison.document import Comparison
from autoprune.deploy.comparison.words import Scale, columns, headline, rows, verdict


def about(found: Comparison, agent: str, other: str) -> str:
    [sentence] = [s for s in found.verdict if re.match(rf"{agent} is .* {re.escape(other)}\b", s)]
    return sentence


def test_a_clear_difference_is_called_better_or_worse_with_its_size_interval_and_p() -> None:
    found = comparison(9)
    pattern = r"is {} than random by [\d.]+ points \(95% CI [\d.]+ to [\d.]+; p = 0.012, 9 seeds\)\."
    assert re.search(pattern.format("better"), about(found, "evolution", "random"))
    assert re.search(pattern.format("worse"), about(found, "uniform", "random"))
    assert re.search(r"evolution \(the best\) by [\d.]+ points", about(found, "uniform", "evolution"))


def test_what_may_be_chance_is_called_not_distinguishable_with_its_p_and_seeds() -> None:
    sentence = about(comparison(9), "tpe", "random")
    assert re.match(r"tpe is not distinguishable from random at 30 trials \(p = [\d.]+, 9 seeds\): ", sentence)
    assert re.search(r"ahead in \d of 9, on average [\d.]+ points (above|below) it", sentence)


@pytest.mark.parametrize(("seeds", "least"), [(1, "1"), (3, "0.25"), (6, "0.031")])
def test_too_few_seeds_are_said_to_tell_nothing_and_nobody_is_called_better(seeds: int, least: str) -> None:
    found = comparison(seeds)
    first, *others = found.verdict
    assert re.match(
        rf"{seeds} seeds? cannot tell any difference from chance: the smallest p-value .* is {least}, ", first
    )
    assert "takes 7 or more" in first  # 3 agents against random: 2^-6 * 2 * 3 <= 0.05
    assert len(others) == 3
    assert all("is not distinguishable from random" in sentence for sentence in others)
    assert "chance" in headline(found)


def test_the_sentence_of_one_seed_has_no_interval() -> None:
    assert not any("CI" in sentence for sentence in comparison(1).verdict)


def test_seeds_that_are_enough_against_random_only_are_said_to_be() -> None:
    first, *others = comparison(7).verdict
    assert (
        first == "7 seeds are enough to compare 3 agents with random; to tell agents from the best one takes 8 or more."
    )
    assert not any("the best" in sentence for sentence in others)


def test_the_headline_names_the_winner_and_what_it_is_worth() -> None:
    assert re.fullmatch(
        r"evolution found the best policies of 4 agents in 30 trials each: [\d.]+ points better than random",
        headline(comparison(9)),
    )
    lost = headline(comparison(9, gains={"random": 0.0, "uniform": -0.01}))
    assert lost == "random found the best policies of 2 agents in 30 trials each"


def test_equals_share_the_headline() -> None:
    found = comparison(9)
    best, second, *others = found.agents
    equal = second.model_copy(update={"reward": best.reward})
    headed = headline(found.model_copy(update={"agents": (best, equal, *others)}))
    assert headed.startswith(f"{best.agent} and {second.agent} found the best policies of 4 agents")


def test_refitted_networks_are_judged_in_sentences_of_their_own() -> None:
    plain, refitted = comparison(9).verdict, comparison(9, selection=True).verdict
    assert refitted[: len(plain)] == plain
    after = refitted[len(plain) :]
    assert [s.removeprefix("Refitted, on the selection split: ") for s in after] == list(plain)


@pytest.mark.parametrize(
    ("reward", "metric", "value", "difference", "amount"),
    [
        ("accuracy", "accuracy", "91.24%", "-0.81", "0.81 points"),
        ("agreement", "mean IoU", "91.24%", "-0.81", "0.81 points"),
        ("R_err", "accuracy", "91.24%", "-0.81", "0.81 points"),
        ("kl", "accuracy", "0.9124", "-0.0081", "0.0081 nats"),
        ("accuracy", "mean IoU", "0.9124", "-0.0081", "0.0081"),
        ("R_FLOPs", "accuracy", "0.9124", "-0.0081", "0.0081"),
    ],
)
def test_numbers_are_written_as_their_kind_asks(
    reward: str, metric: str, value: str, difference: str, amount: str
) -> None:
    scale = Scale.of(reward, metric)
    assert (scale.value(0.9124), scale.difference(-0.0081), scale.amount(-0.0081)) == (value, difference, amount)


@pytest.mark.parametrize("selection", [False, True])
def test_the_table_has_a_line_an_agent_and_a_cell_a_column(selection: bool) -> None:
    found = comparison(9, selection=selection)
    assert [name.text for name, _ in rows(found)] == [agent.agent for agent in found.agents]
    assert {name.text for name, _ in rows(found)} == GAINS.keys()
    assert all(len(cells) == len(columns(found)) for _, cells in rows(found))
    [own] = [cells for name, cells in rows(found) if name.text == "random"]
    assert own[1].text == "–"


def test_the_words_are_those_that_the_document_holds() -> None:
    assert comparison(9).verdict == verdict(comparison(9))
