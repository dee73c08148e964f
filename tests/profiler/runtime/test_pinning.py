from __future__ import annotations

import os
import threading

import pytest

from autoprune.device import Device
from autoprune.errors import BadInput
from autoprune.profiler.runtime.pinning import pinned

can_be_pinned = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="this system does not let a program choose its processors"
)


@can_be_pinned
def test_the_block_and_threads_started_in_it_stay_on_the_processors_named() -> None:
    before = os.sched_getaffinity(0)
    core = max(before)
    in_thread: list[set[int]] = []
    with pinned(Device(affinity=(core,))):
        assert os.sched_getaffinity(0) == {core}
        thread = threading.Thread(target=lambda: in_thread.append(os.sched_getaffinity(0)))
        thread.start()
        thread.join()
    assert in_thread == [{core}]
    assert os.sched_getaffinity(0) == before


@can_be_pinned
def test_the_processors_are_given_back_when_the_block_fails() -> None:
    before = os.sched_getaffinity(0)

    def fail() -> None:
        with pinned(Device(affinity=(min(before),))):
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="middle"):
        fail()
    assert os.sched_getaffinity(0) == before


@can_be_pinned
def test_no_affinity_leaves_the_choice_to_the_system() -> None:
    before = os.sched_getaffinity(0)
    with pinned(Device()):
        assert os.sched_getaffinity(0) == before


@can_be_pinned
def test_a_processor_that_is_not_there_is_named() -> None:
    before = os.sched_getaffinity(0)
    with (
        pytest.raises(BadInput, match=r"affinity: processors \[99999\] are not among those at hand, \["),
        pinned(Device(affinity=(min(before), 99999))),
    ):
        pytest.fail("the block was entered")
    assert os.sched_getaffinity(0) == before


def test_a_system_that_cannot_do_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    with (
        pytest.raises(BadInput, match="does not let a program choose its processors; leave it out"),
        pinned(Device(affinity=(0,))),
    ):
        pytest.fail("the block was entered")
