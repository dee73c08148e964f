"""Global random generators and threads: a searcher that uses them leaves them as they were."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch

from autoprune.evaluation.inference import torch_threads
from autoprune.space import Policy
from autoprune.trial import Problem, Trial


@contextmanager
def isolated(problem: Problem) -> Iterator[Problem]:
    """The same problem, for a searcher that draws from the global generators of Python, numpy or torch.

    They are put back afterwards, and hidden from what happens inside an evaluation, so that a trial
    answered from a ledger and one that is scored leave the searcher in the same state. Its small
    computations are quickest on one thread; an evaluation gets as many as torch had before.
    """
    threads = torch.get_num_threads()

    def evaluate(policies: Sequence[Policy]) -> list[Trial]:
        with preserved_generators(), torch_threads(threads):
            return problem.evaluate(policies)

    with preserved_generators(), torch_threads(1):
        yield replace(problem, evaluate=evaluate)


@contextmanager
def preserved_generators() -> Iterator[None]:
    """Put the global random generators of Python, numpy and torch back as they were."""
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    python, numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
