"""What each ATen operator means for channel labels.

Five kinds: operators that move elements (the labels move along), paddings (which add labels),
pointwise ones (labels of the operands are the same), products (labels that are summed over are the
same in both operands), and norms, pools and reductions. Everything else fixes the channels it reads:
unknown never means wrong.
"""

from __future__ import annotations

from collections.abc import Callable

from autoprune.tracing.rules import moves, norms, paddings, pointwise, products
from autoprune.tracing.tape import Call, Contraction, Recorder

Rule = Callable[[Recorder, Call], Contraction | None]


def apply_rule(recorder: Recorder, call: Call) -> Contraction | None:
    """Pass labels through one operator; returns what it summed over, if it is a contraction."""
    return RULES.get(call.name, unknown)(recorder, call)


def unknown(recorder: Recorder, call: Call) -> None:
    """An operator without a rule: its channels stay as they are."""
    recorder.fix(call.tensors, f"{recorder.place} runs {call.name}, which needs all of them")


def _table(rule: Rule, names: str) -> dict[str, Rule]:
    return dict.fromkeys(names.split(), rule)


def _with_in_place(names: str) -> str:
    return f"{names} {' '.join(name + '_' for name in names.split())}"


RULES: dict[str, Rule] = {
    **_table(moves.move, "view _unsafe_view reshape expand permute transpose t unsqueeze squeeze clone contiguous"),
    **_table(moves.move, "alias detach repeat flatten unflatten lift_fresh _to_copy flip"),
    **_table(moves.along, "slice select roll narrow index_select"),
    **_table(moves.split, "split split_with_sizes chunk"),
    **_table(moves.concatenate, "cat"),
    **_table(paddings.pad, "constant_pad_nd reflection_pad2d replication_pad2d"),
    **_table(paddings.constant, "zeros new_zeros zeros_like full new_full full_like fill_ zero_"),
    **_table(paddings.multiply, _with_in_place("mul")),
    **_table(
        pointwise.elementwise,
        _with_in_place(
            "add sub div rsub pow exp log sqrt rsqrt sigmoid tanh relu relu6 leaky_relu elu selu gelu silu mish "
            "hardtanh hardswish hardsigmoid clamp clamp_min clamp_max abs neg softplus maximum minimum copy erf "
            "square reciprocal dropout"
        ),
    ),
    **_table(pointwise.elementwise, "_prelu_kernel where"),
    **_table(products.convolution, "convolution"),
    **_table(products.matmul, "mm bmm addmm baddbmm"),
    **_table(products.linear, "linear"),
    **_table(products.attention, "_scaled_dot_product_flash_attention_for_cpu _scaled_dot_product_flash_attention"),
    **_table(products.attention, "_scaled_dot_product_efficient_attention _scaled_dot_product_cudnn_attention"),
    **_table(norms.batch_norm, "native_batch_norm _native_batch_norm_legit_no_training _native_batch_norm_legit"),
    **_table(norms.batch_norm, "cudnn_batch_norm"),
    **_table(norms.group_norm, "native_group_norm"),
    **_table(norms.layer_norm, "native_layer_norm"),
    **_table(norms.pool, "max_pool2d_with_indices max_pool2d avg_pool2d _adaptive_avg_pool2d adaptive_max_pool2d"),
    **_table(norms.pool, "upsample_nearest2d upsample_bilinear2d"),
    **_table(norms.reduce, "mean sum amax amin"),
    **_table(norms.softmax, "_softmax _log_softmax"),
    **_table(moves.embedding, "embedding"),
}
