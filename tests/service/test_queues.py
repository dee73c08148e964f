"""What is asked of DBOS beyond what it promises to keep."""

from __future__ import annotations

import inspect

from dbos import DBOS


def test_dbos_still_gives_the_workflows_of_executors_that_are_gone_back_to_their_queues() -> None:
    recover = getattr(DBOS, "_recover_pending_workflows", None)
    assert recover is not None, "this DBOS has another way to do what work.queues._give_back does: use that"
    assert list(inspect.signature(recover).parameters) == ["executor_ids"]
