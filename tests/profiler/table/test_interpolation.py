from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoprune.cost import Kernel, Measurement
from autoprune.errors import UnknownKernel
from autoprune.profiler.table.interpolation import KernelTimes

VARYING = ((0, 1), (1, 0), (1, 1), (2, 1))
WIDTHS = tuple(range(8, 129, 8))


def conv(n_in: int, n_out: int, size: int = 7) -> Kernel:
    return Kernel("Conv", ((1, n_in, size, size), (n_out, n_in, 3, 3)), ((1, n_out, size, size),))


def true_ms(n_in: int, n_out: int) -> float:
    """Time that rises with the work, in stairs of 32 output channels."""
    return 1e-3 + 2e-6 * n_in * (-(-n_out // 32) * 32) + 1e-5 * n_in


def rows(count: int, seed: int = 0) -> dict[Kernel, Measurement]:
    """`count` measured convolutions, the smallest and the largest among them."""
    rng = np.random.default_rng(seed)
    pairs = [(8, 8), (128, 128), *((int(a), int(b)) for a, b in rng.choice(WIDTHS, size=(count - 2, 2)))]
    return {conv(a, b): Measurement(true_ms(a, b), 1e-5, 9) for a, b in pairs}


def test_a_measured_kernel_has_its_own_time_and_standard_error() -> None:
    found = KernelTimes({conv(8, 8): Measurement(0.5, 0.03, 9)})(conv(8, 8), VARYING)
    assert (found.ms, found.source) == (0.5, "measured")
    assert found.error_ms == pytest.approx(0.03 * 1.858 / 3)


@settings(deadline=None)
@given(st.sampled_from(WIDTHS), st.sampled_from(WIDTHS))
def test_a_kernel_between_measured_ones_is_interpolated_stairs_and_all(n_in: int, n_out: int) -> None:
    found = TIMES(conv(n_in, n_out), VARYING)
    assert found.ms == pytest.approx(true_ms(n_in, n_out), rel=0.02)
    if conv(n_in, n_out) not in MANY:
        assert found.source == "interpolated"
        assert found.error_ms < 0.05 * found.ms


MANY = rows(60)
TIMES = KernelTimes(MANY)


@pytest.mark.parametrize(
    "kernel",
    [
        conv(136, 64),  # wider than what was measured
        conv(64, 4),  # narrower
        conv(64, 65),  # between measured ones, but on no stair that one of them stands on
        conv(64, 64, size=14),  # of another size
        Kernel("Conv", ((1, 64, 7, 7), (64, 32, 3, 3)), ((1, 64, 7, 7),)),  # grouped
        Kernel("Gemm", ((1, 64), (64, 10)), ((1, 10),)),
    ],
)
def test_a_kernel_unlike_the_measured_ones_is_unknown_and_never_counts_0(kernel: Kernel) -> None:
    with pytest.raises(UnknownKernel, match=rf"no row for {kernel.op}\(.*autoprune profile --out"):
        TIMES(kernel, VARYING[:1] if kernel.op == "Gemm" else VARYING)


def test_few_rows_are_not_interpolated_between() -> None:
    few = dict(list(rows(60).items())[:5])
    with pytest.raises(UnknownKernel):
        KernelTimes(few)(conv(64, 72), VARYING)


def test_a_kernel_that_no_policy_changes_is_not_interpolated() -> None:
    with pytest.raises(UnknownKernel):
        TIMES(conv(64, 72, size=8), ())


def test_between_lengths_that_were_measured_only_those_on_a_stair_like_theirs_count() -> None:
    """Multiples of 8 were measured: so 88, with which others share every power of 2, but neither 84 nor 87."""
    sparse = {kernel: time for kernel, time in MANY.items() if kernel.outputs[0][1] != 88}
    times = KernelTimes(sparse)
    assert times(conv(64, 88), VARYING).source == "interpolated"
    for length in (84, 87):
        with pytest.raises(UnknownKernel):
            times(conv(64, length), VARYING)


LENGTHS = st.one_of(st.integers(0, 64), st.sampled_from([2**20, 10**9, 10**15]))
STRANGE_ROWS = st.dictionaries(st.tuples(LENGTHS, LENGTHS), st.floats(1e-9, 1e9), min_size=6, max_size=20)


@settings(deadline=None)
@given(STRANGE_ROWS, st.tuples(LENGTHS, LENGTHS))
def test_whatever_was_measured_a_time_is_finite_or_unknown(
    measured: dict[tuple[int, int], float], asked: tuple[int, int]
) -> None:
    times = KernelTimes({conv(a, b): Measurement(ms, 0.0, 1) for (a, b), ms in measured.items()})
    try:
        found = times(conv(*asked), VARYING)
    except UnknownKernel:
        return
    assert 0 < found.ms < np.inf
    assert 0 <= found.error_ms < np.inf
