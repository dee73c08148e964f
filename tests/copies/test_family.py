from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import ModelProto, TensorProto, helper, load_from_string, numpy_helper
from small_networks import CPU, small_blueprint, small_model

from autoprune.copies.family import NetworkFamily, NotAFamily, make_family, skeleton_of
from autoprune.errors import BadInput
from autoprune.profiler.runtime.session import Session
from autoprune.space import Policy

BLUEPRINT = small_blueprint()
POLICIES = [Policy((32, 48)), Policy((21, 17)), Policy((12, 40)), Policy((30, 29))]


def family() -> NetworkFamily:
    return make_family(BLUEPRINT, POLICIES, [small_model(*p.widths) for p in POLICIES])


FAMILY = family()


def copy(policy: Policy, family: NetworkFamily = FAMILY) -> ModelProto:
    return load_from_string(family(policy))


def tensors(model: ModelProto) -> dict[str, tuple[int, list[int], list[int]]]:
    """Type and shape of every initializer, and what integers it holds; the values of weights are nobody's concern."""
    return {
        i.name: (
            i.data_type,
            list(i.dims),
            numpy_helper.to_array(i).tolist() if i.data_type == TensorProto.INT64 else [],
        )
        for i in model.graph.initializer
    }


@given(st.integers(1, 32), st.integers(1, 48))
def test_any_copy_is_the_one_that_an_export_would_give(inner: int, last: int) -> None:
    made, written = copy(Policy((inner, last))), small_model(inner, last)
    assert tensors(made) == tensors(written)
    assert list(made.graph.node) == list(written.graph.node)
    assert list(made.graph.input) == list(written.graph.input)
    assert list(made.graph.output) == list(written.graph.output)


@given(st.integers(1, 32), st.integers(1, 48))
def test_skeletons_differ_from_the_dense_one_in_lengths_only(inner: int, last: int) -> None:
    skeleton, dense = FAMILY.skeleton(Policy((inner, last))), FAMILY.skeleton(Policy((32, 48)))
    assert [(weight.name, weight.kind) for weight in skeleton.weights] == [(w.name, w.kind) for w in dense.weights]
    assert len(skeleton.model) < 2000 < len(skeleton.filled())
    assert len(skeleton.model) == pytest.approx(len(dense.model), abs=8)


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

    made = copy(Policy((8, 16)), make_family(BLUEPRINT, POLICIES, [clipped(p) for p in POLICIES]))
    assert next(list(i.dims) for i in made.graph.initializer if i.name == "most") == []


def test_another_operator_at_another_width_makes_no_family() -> None:
    exports = [small_model(*p.widths, flat=p.widths[0] != 12) for p in POLICIES]
    with pytest.raises(NotAFamily, match="other operators"):
        make_family(BLUEPRINT, POLICIES, exports)


def test_a_length_that_no_width_explains_makes_no_family() -> None:
    exports = [small_model(*p.widths, fan_out=n) for p, n in zip(POLICIES, (32, 31, 7, 16), strict=True)]
    with pytest.raises(NotAFamily, match="no affine function"):
        make_family(BLUEPRINT, POLICIES, exports)


def test_the_held_out_export_is_a_real_test() -> None:
    exports = [small_model(*p.widths) for p in POLICIES]
    exports[-1] = small_model(30, 29, fan_out=31)
    with pytest.raises(NotAFamily):
        make_family(BLUEPRINT, POLICIES, exports)


def test_a_skeleton_of_an_export_is_filled_to_its_shapes_and_keeps_its_constants() -> None:
    export = small_model(12, 24)
    export.graph.initializer.append(numpy_helper.from_array(np.array([0.25], np.float32), "quarter"))
    export.graph.node.append(helper.make_node("Mul", ["y", "quarter"], ["z"], "scaled"))
    skeleton = skeleton_of(export)
    filled = load_from_string(skeleton.filled())
    assert tensors(filled) == tensors(export)
    assert list(filled.graph.node) == list(export.graph.node)
    assert "quarter" not in {weight.name for weight in skeleton.weights}
    [kept] = [i for i in filled.graph.initializer if i.name == "quarter"]
    assert numpy_helper.to_array(kept).tolist() == [0.25]
    assert sum(np.prod(weight.shape) for weight in skeleton.weights) == sum(
        np.prod(i.dims) for i in export.graph.initializer if i.data_type == TensorProto.FLOAT and i.name != "quarter"
    )
