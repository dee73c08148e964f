from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import ModelProto, helper, numpy_helper
from small_networks import CPU, SmallNetworks, small_model, small_space

from autoprune.errors import BadInput
from autoprune.profiler.family import NetworkFamily, NotAFamily, make_family
from autoprune.profiler.session import Session
from autoprune.space import Policy

SPACE = small_space()
POLICIES = [Policy((32, 48)), Policy((21, 17)), Policy((12, 40)), Policy((30, 29))]
CANDIDATES = SmallNetworks().candidates


def family() -> NetworkFamily:
    return make_family(SPACE, CANDIDATES, POLICIES, [small_model(*p.widths) for p in POLICIES])


FAMILY = family()


def contents(model: ModelProto) -> dict[str, list[object]]:
    return {i.name: numpy_helper.to_array(i).tolist() for i in model.graph.initializer}


@given(st.integers(1, 32), st.integers(1, 48))
def test_any_copy_is_the_one_that_an_export_would_give(inner: int, last: int) -> None:
    made, written = FAMILY.model(Policy((inner, last))), small_model(inner, last)
    assert contents(made) == contents(written)
    assert list(made.graph.node) == list(written.graph.node)
    assert list(made.graph.input) == list(written.graph.input)


def test_a_copy_runs() -> None:
    [logits] = Session(FAMILY(Policy((5, 7))), CPU).run()
    assert logits.shape == (1, 10)
    assert np.isfinite(logits).all()


def test_a_family_is_not_changed_by_making_copies() -> None:
    before = FAMILY.dense.SerializeToString(deterministic=True)
    FAMILY(Policy((4, 16)))
    assert FAMILY.dense.SerializeToString(deterministic=True) == before


def test_illegal_policies_are_refused() -> None:
    with pytest.raises(BadInput, match="inner"):
        FAMILY(Policy((33, 48)))
    with pytest.raises(BadInput, match="2 groups"):
        FAMILY(Policy((32,)))


def test_scalars_stay_scalars() -> None:
    def clipped(policy: Policy) -> ModelProto:
        model = small_model(*policy.widths)
        model.graph.initializer.append(numpy_helper.from_array(np.array(6.0, np.float32), "most"))
        model.graph.node.append(helper.make_node("Min", ["y", "most"], ["z"], "clip"))
        return model

    made = make_family(SPACE, CANDIDATES, POLICIES, [clipped(p) for p in POLICIES]).model(Policy((8, 16)))
    assert next(list(i.dims) for i in made.graph.initializer if i.name == "most") == []


def test_another_operator_at_another_width_makes_no_family() -> None:
    exports = [small_model(*p.widths, flat=p.widths[0] != 12) for p in POLICIES]
    with pytest.raises(NotAFamily, match="other operators"):
        make_family(SPACE, CANDIDATES, POLICIES, exports)


def test_a_length_that_no_width_explains_makes_no_family() -> None:
    exports = [small_model(*p.widths, fan_out=n) for p, n in zip(POLICIES, (32, 31, 7, 16), strict=True)]
    with pytest.raises(NotAFamily, match="no affine function"):
        make_family(SPACE, CANDIDATES, POLICIES, exports)


def test_the_held_out_export_is_a_real_test() -> None:
    exports = [small_model(*p.widths) for p in POLICIES]
    exports[-1] = small_model(30, 29, fan_out=31)
    with pytest.raises(NotAFamily):
        make_family(SPACE, CANDIDATES, POLICIES, exports)
