"""Errors as types: what the command line and callers tell apart."""

from __future__ import annotations

import pytest

from autoprune import errors
from autoprune.errors import AutopruneError, BadInput

KINDS = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, AutopruneError)]


@pytest.mark.parametrize("kind", KINDS)
def test_each_can_be_caught_as_the_packages_own(kind: type[AutopruneError]) -> None:
    with pytest.raises(AutopruneError, match="the rule, the value, the way out"):
        raise kind("the rule, the value, the way out")


@pytest.mark.parametrize("kind", KINDS)
def test_bad_input_exits_with_2_and_failures_of_ours_with_1(kind: type[AutopruneError]) -> None:
    assert kind.exit_code == (2 if issubclass(kind, BadInput) else 1)


def test_everything_that_a_user_can_mend_is_bad_input() -> None:
    assert [kind.__name__ for kind in KINDS if not issubclass(kind, BadInput)] == ["AutopruneError", "Diverged"]
