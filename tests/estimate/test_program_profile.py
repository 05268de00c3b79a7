"""Cycles, by small programs written as the TPU's compiler writes them."""

import pytest

from bert_wwm.core.errors import ConfigError
from bert_wwm.estimate.profile import UNPRICED, find_part, read_instructions


def cycles(number):
    return f'backend_config={{"window_config":{{"estimated_cycles":"{number}"}}}}'


PROGRAM = f"""\
HloModule step, is_scheduled=true, input_output_alias={{ {{0}}: (0, {{}}, may-alias) }}

%fused_matmul (p.1: bf16[64,32], p.2: bf16[32,16]) -> bf16[64,16] {{
  %p.1 = bf16[64,32]{{1,0:T(8,128)(2,1)}} parameter(0)
  %p.2 = bf16[32,16]{{1,0:T(8,128)(2,1)}} parameter(1)
  ROOT %convolution.1 = bf16[64,16]{{1,0:T(8,128)(2,1)}} convolution(%p.1, %p.2), dim_labels=bf_io->bf
}}

%fused_inner () -> f32[64,16] {{
  %zero = f32[]{{:T(256)}} constant(0)
  %one = f32[]{{:T(256)}} constant(1)
  ROOT %rng.1 = f32[64,16]{{1,0:T(8,128)}} rng(%zero, %one), distribution=rng_uniform
}}

%fused_dropout () -> pred[64,16] {{
  %fusion.rng = f32[64,16]{{1,0:T(8,128)}} fusion(), kind=kLoop, calls=%fused_inner
  %half = f32[]{{:T(256)}} constant(0.5)
  %halves = f32[64,16]{{1,0:T(8,128)}} broadcast(%half), dimensions={{}}
  ROOT %keep = pred[64,16]{{1,0:T(8,128)(4,1)}} compare(%fusion.rng, %halves), direction=GE, metadata={{op_name="jit/bert/encoder/layer_11/output/dropout/GreaterEqual"}}
}}

%add (x: f32[], y: f32[]) -> f32[] {{
  %x = f32[] parameter(0)
  %y = f32[] parameter(1)
  ROOT %add.0 = f32[] add(%x, %y)
}}

%fused_sum (p.3: bf16[64,16]) -> f32[16] {{
  %p.3 = bf16[64,16]{{1,0:T(8,128)(2,1)}} parameter(0)
  %nothing = f32[]{{:T(256)}} constant(0)
  ROOT %reduce.1 = f32[16]{{0:T(1024)}} reduce(%p.3, %nothing), dimensions={{0}}, to_apply=%add
}}

%fused_layout (p.4: bf16[64,16]) -> bf16[64,16] {{
  %p.4 = bf16[64,16]{{1,0:T(8,128)(2,1)}} parameter(0)
  ROOT %copy.1 = bf16[64,16]{{0,1:T(8,128)(2,1)}} copy(%p.4)
}}

ENTRY %main (w: bf16[32,16], x.1: bf16[64,32], i: s32[8]) -> (bf16[32,16], f32[16]) {{
  %w = bf16[32,16]{{1,0:T(8,128)(2,1)}} parameter(0), metadata={{op_name="XLA_Args"}}
  %x.1 = bf16[64,32]{{1,0:T(8,128)(2,1)}} parameter(1), metadata={{op_name="XLA_Args"}}
  %i = s32[8]{{0:T(256)}} parameter(2), metadata={{op_name="XLA_Args"}}
  %fusion.1 = bf16[64,16]{{1,0:T(8,128)(2,1)}} fusion(%x.1, /*index=1*/%w), kind=kOutput, calls=%fused_matmul, metadata={{op_name="jit/bert/encoder/layer_11/attention/self/query/MatMul"}}, {cycles(1000)}
  %copy.2 = bf16[64,16]{{0,1:T(8,128)(2,1)}} copy(%fusion.1), {cycles(100)}
  %fusion.2 = pred[64,16]{{1,0:T(8,128)(4,1)}} fusion(), kind=kLoop, calls=%fused_dropout, {cycles(30)}
  %fusion.3 = f32[16]{{0:T(1024)}} fusion(%copy.2), kind=kLoop, calls=%fused_sum, metadata={{op_name="jit/gradients/bert/encoder/layer_0/output/dense/BiasAdd_grad/BiasAddGrad"}}, {cycles(7)}
  %fusion.4 = bf16[64,16]{{0,1:T(8,128)(2,1)}} fusion(%fusion.1), kind=kLoop, calls=%fused_layout, metadata={{op_name="jit/bert/embeddings/transpose"}}, {cycles(5)}
  %all-reduce.1 = f32[16]{{0:T(1024)}} all-reduce(%fusion.3), replica_groups={{{{0,1}}}}, to_apply=%add, metadata={{op_name="jit/CollectiveReduceV2"}}, {cycles(11)}
  %gather.1 = bf16[8,16]{{1,0:T(8,128)(2,1)}} gather(%fusion.1, %i), offset_dims={{1}}, metadata={{op_name="jit/cls/GatherV2"}}
  %multiply.1 = bf16[32,16]{{1,0:T(8,128)(2,1)}} multiply(%w, %w), metadata={{op_name="jit/LAMBOptimizer/update_layer_3/mul"}}, {cycles(3)}
  ROOT %tuple.1 = (bf16[32,16]{{1,0:T(8,128)(2,1)}}, f32[16]{{0:T(1024)}}) tuple(%multiply.1, %all-reduce.1)
}}
"""  # noqa: E501


def test_kinds_parts_and_cycles():
    found = [item for item in read_instructions(PROGRAM, 1) if item.cycles]
    assert [(item.cycles, item.kind, item.part) for item in found] == [
        (1000, "matmul", "layers/attention, forward"),
        (100, "copy", "other, forward"),
        (30, "random bits", "layers/feed-forward, forward"),
        (7, "reduce", "layers/feed-forward, backward"),
        (5, "copy", "embeddings, forward"),
        (11, "collective", "other, forward"),
        (3, "other", "optimizer"),
    ]
    assert {item.times for item in found} == {1}


@pytest.mark.parametrize(
    ("op_name", "part"),
    [
        ("jit/bert/embeddings/one_hot", "embeddings, forward"),
        ("jit/gradients/bert/embeddings/MatMul_grad/MatMul_1", "embeddings, backward"),
        ("jit/bert/encoder/layer_3/attention/output/LayerNorm/mul", "layers/attention, forward"),
        ("jit/bert/encoder/layer_3/intermediate/dense/MatMul", "layers/feed-forward, forward"),
        ("jit/while/body/bert/encoder/layer_3/output/dense/MatMul", "layers/feed-forward, forward"),
        ("jit/bert/pooler/dense/Tanh", "pooler, forward"),
        ("jit/cls/predictions/transform/dense/MatMul", "heads, forward"),
        ("jit/gradients/MatMul_grad/MatMul", "heads, backward"),
        ("jit/BiasAdd_2", "heads, forward"),
        (
            "jit/SparseSoftmaxCrossEntropyWithLogits_1/SparseSoftmaxCrossEntropyWithLogits",
            "heads, forward",
        ),
        ("jit/AdamWeightDecayOptimizer/update__4/ResourceApplyAdam", "optimizer"),
        ("jit/global_norm/L2Loss", "optimizer"),
        ("jit/bert/encoder/Cast", "other, forward"),
        ("", "other, forward"),
    ],
)
def test_part_of_an_operation(op_name, part):
    assert find_part(op_name) == part


def test_a_gather_has_no_cycles():
    (gather,) = (item for item in read_instructions(PROGRAM, 1) if item.kind == UNPRICED)
    assert (gather.times, gather.part) == (1, "heads, forward")


def loop(attributes=""):
    return f"""\
HloModule step, is_scheduled=true

%body (p.1: (s32[], f32[16])) -> (s32[], f32[16]) {{
  %p.1 = (s32[], f32[16]{{0:T(1024)}}) parameter(0)
  %number = s32[] get-tuple-element(%p.1), index=0
  %sum = f32[16]{{0:T(1024)}} get-tuple-element(%p.1), index=1
  %gather.1 = f32[16]{{0:T(1024)}} gather(%sum, %number)
  %twice = f32[16]{{0:T(1024)}} add(%sum, %gather.1), metadata={{op_name="jit/while/body/add"}}, {cycles(10)}
  ROOT %tuple.1 = (s32[], /*index=1*/f32[16]{{0:T(1024)}}) tuple(%number, %twice)
}}

%condition (p.2: (s32[], f32[16])) -> pred[] {{
  %p.2 = (s32[], f32[16]{{0:T(1024)}}) parameter(0)
  %count = s32[] get-tuple-element(%p.2), index=0
  %limit = s32[] constant(4)
  ROOT %less = pred[] compare(%count, %limit), direction=LT
}}

ENTRY %main (x: f32[16]) -> f32[16] {{
  %x = f32[16]{{0:T(1024)}} parameter(0)
  %begin = s32[] constant(1)
  %before = (s32[], f32[16]{{0:T(1024)}}) tuple(%begin, %x)
  %while.1 = (s32[], f32[16]{{0:T(1024)}}) while(%before), condition=%condition, body=%body{attributes}
  ROOT %after = f32[16]{{0:T(1024)}} get-tuple-element(%while.1), index=1
}}
"""  # noqa: E501


@pytest.mark.parametrize(
    ("text", "rounds"),
    [
        (loop(), 3),  # of four parts; the first is before the loop
        (loop(', backend_config={"known_trip_count":{"n":"5"}}'), 5),
    ],
)
def test_a_loop_counts_with_all_rounds(text, rounds):
    gather, found = read_instructions(text, 4)
    assert (found.cycles, found.times) == (10 * rounds, rounds)
    assert (gather.cycles, gather.times) == (0, rounds)


def test_a_loop_of_unknown_rounds():
    with pytest.raises(ConfigError, match=r"while\.1: .* how often it repeats"):
        read_instructions(loop(), 1)
