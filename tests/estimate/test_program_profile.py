"""Cycles, by small programs written as the TPU's compiler writes them."""

import pytest

from bert_wwm.core.errors import ConfigError
from bert_wwm.estimate import hlo, profile
from bert_wwm.estimate.profile import instructions, unpriced


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


def test_kinds_layers_and_cycles():
    found = instructions(PROGRAM)
    assert [(item.name, item.cycles, item.kind, item.layer) for item in found] == [
        ("fusion.1", 1000, "matmul", "layer_11/attention"),
        ("copy.2", 100, "copy", "layer_11/attention"),
        ("fusion.2", 30, "random bits", "layer_11/feed-forward"),
        ("fusion.3", 7, "reduce", "layer_0/feed-forward"),
        ("fusion.4", 5, "copy", "embeddings"),
        ("all-reduce.1", 11, "collective", "other"),
        ("multiply.1", 3, "other", "optimizer"),
    ]
    assert [item.name for item in found if item.is_backward] == ["fusion.3"]
    assert {item.times for item in found} == {1}
    assert found[0].op_name == "jit/bert/encoder/layer_11/attention/self/query/MatMul"
    assert found[0].flops == 2 * 64 * 32 * 16
    assert not any(item.flops for item in found[1:])
    assert {item.kind for item in found} <= set(profile.KINDS)


@pytest.mark.parametrize(
    ("op_name", "layer"),
    [
        ("jit/bert/embeddings/one_hot", "embeddings"),
        ("jit/gradients/bert/embeddings/MatMul_grad/MatMul_1", "embeddings"),
        ("jit/bert/encoder/layer_3/attention/output/LayerNorm/mul", "layer_3/attention"),
        ("jit/bert/encoder/layer_3/intermediate/dense/MatMul", "layer_3/feed-forward"),
        ("jit/while/body/bert/encoder/layer_3/output/dense/MatMul", "layer_3/feed-forward"),
        ("jit/bert/pooler/dense/Tanh", "pooler"),
        ("jit/cls/predictions/transform/dense/MatMul", "heads"),
        ("jit/gradients/MatMul_grad/MatMul", "heads"),
        ("jit/BiasAdd_2", "heads"),
        ("jit/SparseSoftmaxCrossEntropyWithLogits_1/SparseSoftmaxCrossEntropyWithLogits", "heads"),
        ("jit/AdamWeightDecayOptimizer/update__4/ResourceApplyAdam", "optimizer"),
        ("jit/global_norm/L2Loss", "optimizer"),
        ("jit/bert/encoder/Cast", "other"),
        ("", "other"),
    ],
)
def test_layer_of(op_name, layer):
    assert profile.layer_of(op_name) == layer


def test_part_of():
    assert profile.part_of("layer_11/attention") == "layers/attention"
    assert profile.part_of("embeddings") == "embeddings"


def test_what_the_compiler_gives_no_cycles_for():
    """The gather's result, padded to a tile of 8 x 128 of two bytes, read and written."""
    assert unpriced(PROGRAM) == (1, 2 * 8 * 128 * 2)


def test_a_scatter_moves_its_updates():
    text = PROGRAM.replace(
        "%gather.1 = bf16[8,16]{1,0:T(8,128)(2,1)} gather(%fusion.1, %i)",
        "%gather.1 = bf16[64,16]{1,0:T(8,128)(2,1)} scatter(%fusion.1, %i, %copy.2)",
    )
    assert unpriced(text) == (1, 3 * 16 * 128 * 2)


def loop(condition, attributes=""):
    return f"""\
HloModule step, is_scheduled=true

%body (p.1: (s32[], f32[16])) -> (s32[], f32[16]) {{
  %p.1 = (s32[], f32[16]{{0:T(1024)}}) parameter(0)
  %number = s32[] get-tuple-element(%p.1), index=0
  %sum = f32[16]{{0:T(1024)}} get-tuple-element(%p.1), index=1
  %one = s32[] constant(1)
  %next = s32[] add(%number, %one)
  %gather.1 = f32[16]{{0:T(1024)}} gather(%sum, %number)
  %twice = f32[16]{{0:T(1024)}} add(%sum, %gather.1), metadata={{op_name="jit/while/body/add"}}, {cycles(10)}
  ROOT %tuple.1 = (s32[], f32[16]{{0:T(1024)}}) tuple(%next, %twice)
}}

%condition (p.2: (s32[], f32[16])) -> pred[] {{
  %p.2 = (s32[], f32[16]{{0:T(1024)}}) parameter(0)
  %count = s32[] get-tuple-element(%p.2), index=0
{condition}
}}

ENTRY %main (x: f32[16]) -> f32[16] {{
  %x = f32[16]{{0:T(1024)}} parameter(0)
  %begin = s32[] constant(1)
  %begin.copy = s32[] copy(%begin)
  %before = (s32[], f32[16]{{0:T(1024)}}) tuple(%begin.copy, %x)
  %while.1 = (s32[], f32[16]{{0:T(1024)}}) while(%before), condition=%condition, body=%body{attributes}
  ROOT %after = f32[16]{{0:T(1024)}} get-tuple-element(%while.1), index=1
}}
"""  # noqa: E501


LESS = """\
  %limit = s32[] constant(4)
  ROOT %less = pred[] compare(%count, %limit), direction=LT"""
BOTH = """\
  %limit = s32[] constant(9)
  %less.1 = pred[] compare(%count, %limit), direction=LT
  %two = s32[] constant(2)
  %more = s32[] add(%count, %two)
  %five = s32[] constant(5)
  %less.2 = pred[] compare(%more, %five), direction=LT
  ROOT %and = pred[] and(%less.1, %less.2)"""
UNTOLD = """\
  %limit = s32[] constant(4)
  ROOT %differs = pred[] compare(%count, %limit), direction=NE"""


@pytest.mark.parametrize(
    ("text", "rounds"),
    [
        (loop(LESS), 3),  # from 1 to 3
        (loop(BOTH), 2),  # the second condition fails at 3
        (loop(UNTOLD, ', backend_config={"known_trip_count":{"n":"5"}}'), 5),
    ],
)
def test_a_loop_counts_as_often_as_it_goes_round(text, rounds):
    (found,) = instructions(text)
    assert (found.name, found.cycles, found.times) == ("twice", 10 * rounds, rounds)
    assert unpriced(text).operations == rounds


def test_a_loop_of_unknown_rounds():
    with pytest.raises(ConfigError, match=r"while\.1: .* how often it goes round"):
        instructions(loop(UNTOLD))


def test_of_alternatives_the_most_expensive_counts():
    text = f"""\
HloModule step, is_scheduled=true

%dear (p.1: f32[16]) -> f32[16] {{
  %p.1 = f32[16]{{0}} parameter(0)
  ROOT %exp.1 = f32[16]{{0}} exponential(%p.1), {cycles(50)}
}}

%cheap (p.2: f32[16]) -> f32[16] {{
  %p.2 = f32[16]{{0}} parameter(0)
  ROOT %neg.1 = f32[16]{{0}} negate(%p.2), {cycles(5)}
}}

ENTRY %main (which: s32[], x: f32[16]) -> f32[16] {{
  %which = s32[] parameter(0)
  %x = f32[16]{{0}} parameter(1)
  ROOT %choice = f32[16]{{0}} conditional(%which, %x, %x), branch_computations={{%cheap, %dear}}
}}
"""
    assert [(item.name, item.cycles) for item in instructions(text)] == [("exp.1", 50)]
    either = "true_computation=%dear, false_computation=%cheap"
    text = text.replace("branch_computations={%cheap, %dear}", either)
    assert [(item.name, item.cycles) for item in instructions(text)] == [("exp.1", 50)]


BATCHED = """\
HloModule step

ENTRY %main (a: bf16[64,12,128,32], b: bf16[64,12,128,32]) -> bf16[64,12,128,128] {{
  %a = bf16[64,12,128,32]{{3,2,1,0}} parameter(0)
  %b = bf16[64,12,128,32]{{3,2,1,0}} parameter(1)
  ROOT %c = bf16[64,12,128,128]{{3,2,1,0}} convolution(%a, %b), window={{{window}}}, dim_labels=01bf_01oi->01bf, backend_config={{"estimated_cycles":"1"}}
}}
"""  # noqa: E501


@pytest.mark.parametrize(
    "window",
    [
        "size=64x12 stride=63x11 lhs_dilate=64x12",
        "size=64x12 stride=64x12 pad=63_63x11_11 lhs_dilate=63x11 rhs_reversal=1x1",
    ],
)
def test_a_batched_matmul_counts_no_padding(window):
    """The two ways in which the compiler writes one for 64 examples and 12 heads."""
    (found,) = instructions(BATCHED.format(window=window))
    assert found.flops == 2 * 64 * 12 * 128 * 128 * 32


@pytest.mark.parametrize(
    ("shape", "num_bytes"),
    [
        ("bf16[40,100]{1,0:T(8,128)(2,1)}", 40 * 128 * 2),
        ("bf16[40,100]{0,1:T(8,128)(2,1)}", 104 * 128 * 2),
        ("f32[3,5,128]{2,0,1:T(4,128)}", 4 * 5 * 128 * 4),
        ("f32[768]{0:T(1024)}", 1024 * 4),
        ("f32[]{:T(256)}", 256 * 4),
        ("pred[7]", 7),
        ("s4[8]{0}", 4),
    ],
)
def test_arrays_are_padded_to_whole_tiles(shape, num_bytes):
    (array,) = hlo.arrays(shape)
    assert array.num_bytes == num_bytes
    assert array.in_main_memory


def test_arrays_of_a_tuple():
    found = hlo.arrays("(bf16[2,3]{1,0:T(2,128)(2,1)S(1)}, /*index=1*/(u32[]{:S(2)}, pred[4]{0}))")
    assert [(str(array), array.in_main_memory) for array in found] == [
        ("bf16[2,3]", False),
        ("u32[]", False),
        ("pred[4]", True),
    ]
