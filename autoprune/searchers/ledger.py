"""The record of every trial of every searcher: an Optuna study, which answers again what was scored before.

Resume is replay: a searcher is deterministic, so after a crash the same search runs again from
trial 0, and whatever the ledger holds is answered from it, without scoring and without a new record.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial
from pydantic import JsonValue

from autoprune.cost import Cost, CostModel
from autoprune.errors import BadInput
from autoprune.objective import Objective, Quality
from autoprune.searchers.quiet import quiet_optuna
from autoprune.searchers.storage import open_storage
from autoprune.space import Policy, SearchSpace
from autoprune.trial import Evaluate, Trial

Score = Callable[[Sequence[Policy]], Iterable[Quality]]
Key = tuple[str, int, int]  # agent, seed, number of the trial in that agent's search

GROUPS = "groups"  # kept under this name: name and dense width of each channel group, in the order of the widths
_FINGERPRINT = "autoprune.fingerprint"
_DENSE = "autoprune.dense"
_KEPT = "autoprune.kept."
_KEPT_RATIO: BaseDistribution = FloatDistribution(0.0, 1.0)


class Ledger:
    """One run's trials in an Optuna study; any number of agents, seeds and processes may write to it.

    `place` is a path (a SQLite file), a database URL, or None for memory. `fingerprint` identifies
    whatever a trial's quality depends on (model, data, splits, reward, ...); a study that was made
    under another one raises `BadInput`; None only reads whatever there is. Each trial is one Optuna
    trial, written in one transaction: its parameters are the kept ratio of each group, its value the
    reward, and its user attributes `agent`, `seed`, `number`, `widths`, `quality`, `cost` and `reward`
    (numbers that JSON cannot hold as text: "nan"). A reward that is not a number makes a failed Optuna trial.
    """

    def __init__(self, place: str | Path | None, study_name: str, fingerprint: str | None) -> None:
        with quiet_optuna():
            self._study = optuna.create_study(
                storage=open_storage(place), study_name=study_name, direction="maximize", load_if_exists=True
            )
        if fingerprint is not None:
            self._claim(fingerprint)
        self._trials: dict[Key, Trial] = {}
        self._qualities: dict[Policy, Quality] = {}
        self._read: set[int] = set()  # Optuna's own numbers of the records known here
        self.refresh()

    def _claim(self, fingerprint: str) -> None:
        owner = self._study.user_attrs.get(_FINGERPRINT)
        name = self._study.study_name
        if owner is None and not self._study.get_trials(deepcopy=False):
            self._study.set_user_attr(_FINGERPRINT, fingerprint)
        elif owner != fingerprint:
            raise BadInput(
                f"study {name!r} belongs to another run (fingerprint {owner}, this run's is {fingerprint}): the model, "
                "data or settings differ. Give this run another name or folder, or delete the study."
            )

    def evaluator(self, score: Score, cost: CostModel, objective: Objective, *, agent: str, seed: int) -> Evaluate:
        """What a search by `agent` with `seed` evaluates its policies with, from its trial 0 on.

        Policies that no agent has had scored yet go to `score` together; it may yield their
        qualities one by one, and each is recorded as it comes. Raises `BadInput` where the ledger
        has another policy under the same agent, seed and number.
        """
        return _Evaluator(self, score, cost, objective, agent, seed)

    def trials(self, agent: str | None = None, seed: int | None = None) -> list[Trial]:
        """The trials so far, of one agent or seed or of all, in the order of agent, seed and number."""
        self.refresh()
        chosen = sorted(key for key in self._trials if agent in (None, key[0]) and seed in (None, key[1]))
        return [self._trials[key] for key in chosen]

    def by_agent(self) -> list[tuple[str, Trial]]:
        """All trials so far, each with its agent's name, in the order in which they were recorded."""
        self.refresh()
        return [(key[0], trial) for key, trial in self._trials.items()]

    @property
    def best(self) -> Trial | None:
        """The trial with the largest reward, the earlier of equals; None where no reward is finite."""
        finite = [trial for trial in self.trials() if math.isfinite(trial.reward)]
        return max(finite, key=lambda trial: trial.rank_key, default=None)

    def refresh(self) -> None:
        """Read what other processes have recorded since the last time."""
        finished = (TrialState.COMPLETE, TrialState.FAIL)  # a process that was killed leaves no half trial here
        for record in sorted(self._study.get_trials(deepcopy=False, states=finished), key=lambda r: r.number):
            if record.number not in self._read and "widths" in record.user_attrs:
                self._read.add(record.number)
                self._remember(*_unpacked(record.user_attrs))

    @property
    def dense(self) -> Trial | None:
        """The dense network scored as the trials are, if a run has kept it; it is no trial, as it keeps no budget."""
        attrs = self._study.user_attrs.get(_DENSE)
        return None if attrs is None else _unpacked(attrs)[1]

    def keep_dense(self, trial: Trial) -> None:
        """Write down the dense network beside the trials."""
        self._study.set_user_attr(_DENSE, _attributes(("dense", 0, trial.number), trial))

    def keep(self, name: str, value: JsonValue) -> None:
        """Write down what else is to survive, under a name of its own; an earlier value of it is replaced."""
        self._study.set_user_attr(f"{_KEPT}{name}", value)

    def kept(self, name: str) -> JsonValue:
        """What was written down under `name`; None where nothing was."""
        value: JsonValue = self._study.user_attrs.get(f"{_KEPT}{name}")
        return value

    def find(self, key: Key) -> Trial | None:
        """The recorded trial of (agent, seed, number), if there is one."""
        return self._trials.get(key)

    def quality(self, policy: Policy) -> Quality | None:
        """The quality of `policy` if any agent has had it scored."""
        return self._qualities.get(policy)

    def record(self, key: Key, trial: Trial, space: SearchSpace) -> None:
        """Write a trial, in one transaction; of several under one key the first that was written counts."""
        self._study.add_trial(_packed(key, trial, space))
        self.refresh()

    def _remember(self, key: Key, trial: Trial) -> None:
        # Two processes that run the same search may both record a trial. The first one counts for both,
        # so that they go on alike even where their scores differ in the last digit.
        self._trials.setdefault(key, trial)
        self._qualities.setdefault(trial.policy, trial.quality)


class _Evaluator:
    """Numbers the policies of one search and answers for each from the ledger, or scores and records it."""

    def __init__(
        self, ledger: Ledger, score: Score, cost: CostModel, objective: Objective, agent: str, seed: int
    ) -> None:
        self._ledger, self._score, self._cost, self._objective = ledger, score, cost, objective
        self._agent, self._seed = agent, seed
        self._asked = 0

    def __call__(self, policies: Sequence[Policy]) -> list[Trial]:
        start, self._asked = self._asked, self._asked + len(policies)
        self._ledger.refresh()
        numbered = [((self._agent, self._seed, start + i), policy) for i, policy in enumerate(policies)]
        unknown = [p for key, p in numbered if not self._ledger.find(key) and not self._ledger.quality(p)]
        fresh = _Fresh(list(dict.fromkeys(unknown)), self._score)
        trials = [self._replayed(key, policy) or self._new(key, policy, fresh) for key, policy in numbered]
        fresh.close()
        return trials

    def _replayed(self, key: Key, policy: Policy) -> Trial | None:
        trial = self._ledger.find(key)
        if trial and trial.policy != policy:
            raise BadInput(
                f"trial {trial.number} of agent {key[0]!r}, seed {key[1]}, is recorded with another policy than this "
                "search proposes, so its settings, its number of trials or a library changed since. Use another "
                "agent name, seed or study, or delete the study."
            )
        return trial

    def _new(self, key: Key, policy: Policy, fresh: _Fresh) -> Trial:
        quality, cost = self._ledger.quality(policy) or fresh.quality(policy), self._cost.cost(policy)
        trial = Trial(key[2], policy, quality, cost, self._objective.reward(quality, cost))
        self._ledger.record(key, trial, self._cost.space)
        recorded = self._replayed(key, policy)
        assert recorded is not None
        return recorded


class _Fresh:
    """Qualities of policies that nobody has scored, each taken from the scorer when it is asked for."""

    def __init__(self, policies: Sequence[Policy], score: Score) -> None:
        self._awaited = len(policies)
        self._scored = zip(policies, score(policies), strict=True) if policies else iter(())
        self._qualities: dict[Policy, Quality] = {}

    def quality(self, policy: Policy) -> Quality:
        """The quality of one of the policies; those before it, which another process has recorded since, go by."""
        while policy not in self._qualities:
            scored, quality = next(self._scored)
            self._qualities[scored] = quality
        return self._qualities[policy]

    def close(self) -> None:
        """Raise `ValueError` where the scorer has more qualities than there are policies."""
        if len(self._qualities) == self._awaited:
            next(self._scored, None)


def _packed(key: Key, trial: Trial, space: SearchSpace) -> FrozenTrial:
    ratios = dict(zip((g.name for g in space.groups), space.ratios(trial.policy), strict=True))
    failed = math.isnan(trial.reward)
    return create_trial(
        state=TrialState.FAIL if failed else TrialState.COMPLETE,
        value=None if failed else trial.reward,
        params=ratios,
        distributions=dict.fromkeys(ratios, _KEPT_RATIO),
        user_attrs=_attributes(key, trial),
    )


def _attributes(key: Key, trial: Trial) -> dict[str, Any]:
    """A trial as JSON."""
    agent, seed, number = key
    return {
        "agent": agent,
        "seed": seed,
        "number": number,
        "widths": list(trial.policy.widths),
        "quality": _to_json(asdict(trial.quality)),
        "cost": _to_json(asdict(trial.cost)),
        "reward": _to_json({"reward": trial.reward})["reward"],
    }


def _unpacked(attrs: dict[str, Any]) -> tuple[Key, Trial]:
    trial = Trial(
        number=attrs["number"],
        policy=Policy(tuple(attrs["widths"])),
        quality=Quality(**_from_json(attrs["quality"])),
        cost=Cost(**_from_json(attrs["cost"])),
        reward=float(attrs["reward"]),
    )
    return (attrs["agent"], attrs["seed"], trial.number), trial


def _to_json(numbers: dict[str, float | None]) -> dict[str, float | str | None]:
    """JSON has no NaN and no infinity: they become text, which `float` reads."""
    return {name: x if x is None or math.isfinite(x) else str(x) for name, x in numbers.items()}


def _from_json(numbers: dict[str, Any]) -> dict[str, Any]:
    return {name: None if x is None else float(x) for name, x in numbers.items()}
