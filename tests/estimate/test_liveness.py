"""The fullest moment of small programs, written as the TPU's compiler writes them."""

from bert_wwm.estimate.liveness import MemoryGroup, peak_memory

KIB = 4 * 1024  # of f32[1024]


def program(*lines, head=""):
    body = "\n".join(f"  {line}" for line in lines)
    head = f"HloModule step, is_scheduled=true{head}\n\n"
    return head + f"ENTRY %main (x: f32[1024]) -> f32[] {{\n{body}\n}}\n"


def array(name, operation, more=""):
    return f"%{name} = f32[1024]{{0:T(1024)}} {operation}{more}"


X = array("x", "parameter(0)")


def test_the_moment_at_which_most_is_kept():
    found = peak_memory(
        program(
            X,
            array("a", "add(%x, %x)", ', metadata={op_name="bert/encoder/layer_1/attention/add"}'),
            array("b", "add(%a, %x)", ', metadata={op_name="bert/encoder/layer_2/attention/add"}'),
            array("c", "add(%a, %b)"),
            array("d", "negate(%c)"),
            "ROOT " + array("e", "negate(%d)"),
        )
    )
    assert found.num_bytes == 3 * KIB
    assert found.instruction == "c"
    assert found.groups == [MemoryGroup(3 * KIB, 3, "layers/attention", "f32[1024]")]


def test_arguments_and_what_is_written_over_them_take_nothing():
    alike = ', backend_config={"aliasing_operands":{"lists":[{"indices":["0","1"]}]}}'
    lines = (
        X,
        array("a", "negate(%x)", alike),
        array("new", "negate(%a)"),
        array("same", "bitcast(%new)"),
        "ROOT %all = (f32[1024]{0:T(1024)}, f32[1024]{0:T(1024)}) tuple(%x, %same)",
    )
    assert peak_memory(program(*lines)).num_bytes == KIB
    given_back = ", input_output_alias={ {0}: (1, {}, may-alias), {1}: (0, {}, may-alias) }"
    assert peak_memory(program(*lines, head=given_back)).num_bytes == 0


def test_results_of_an_instruction_are_kept_one_by_one():
    found = peak_memory(
        program(
            X,
            "%two = (f32[1024]{0:T(1024)}, f32[512]{0:T(512)S(1)}, bf16[2048]{0:T(1024)(2,1)}) "
            "fusion(%x), kind=kLoop, calls=%none",
            "%first = f32[1024]{0:T(1024)} get-tuple-element(%two), index=0",
            array("a", "negate(%first)"),
            "%third = bf16[2048]{0:T(1024)(2,1)} get-tuple-element(%two), index=2",
            "ROOT " + array("b", "convert(%third)"),
        )
        + "\n%none (p: f32[1024]) -> f32[] {\n  %p = f32[1024] parameter(0)\n}\n"
    )
    # The first, the third and a; the second lies within the core.
    assert found.num_bytes == 3 * KIB
    assert found.instruction == "a"


def test_a_loop_keeps_what_is_around_it():
    loop = """\
HloModule step

%body (p.1: (s32[], f32[1024])) -> (s32[], f32[1024]) {
  %p.1 = (s32[], f32[1024]{0:T(1024)}) parameter(0)
  %n = s32[] get-tuple-element(%p.1), index=0
  %y = f32[1024]{0:T(1024)} get-tuple-element(%p.1), index=1
  %y.1 = f32[1024]{0:T(1024)} negate(%y)
  %y.2 = f32[1024]{0:T(1024)} add(%y, %y.1)
  ROOT %t = (s32[], f32[1024]{0:T(1024)}) tuple(%n, %y.2)
}

ENTRY %main (x: f32[1024], n.0: s32[]) -> f32[1024] {
  %x = f32[1024]{0:T(1024)} parameter(0)
  %n.0 = s32[] parameter(1)
  %kept = f32[1024]{0:T(1024)} exponential(%x)
  %start = f32[1024]{0:T(1024)} negate(%kept)
  %carried = (s32[], f32[1024]{0:T(1024)}) tuple(%n.0, %start)
  %w = (s32[], f32[1024]{0:T(1024)}) while(%carried), condition=%none, body=%body
  %end = f32[1024]{0:T(1024)} get-tuple-element(%w), index=1
  ROOT %sum = f32[1024]{0:T(1024)} add(%end, %kept)
}
"""
    found = peak_memory(loop)
    assert found.num_bytes == 4 * KIB  # kept, and of the loop the carried one and two of its own
    assert found.instruction == "y.2"


def test_the_result_need_not_stand_last():
    lines = (X, "ROOT " + array("a", "negate(%x)"), array("b", "negate(%x)"), array("c", "abs(%b)"))
    found = peak_memory(program(*lines))
    assert (found.num_bytes, found.instruction) == (3 * KIB, "c")


def test_what_is_fetched_ahead_is_kept_once():
    found = peak_memory(
        program(
            X,
            array("a", "negate(%x)"),
            "%s.1 = (f32[1024]{0:T(1024)S(1)}, f32[1024]{0:T(1024)}, u32[]{:S(2)}) copy-start(%a)",
            "%s.2 = ((f32[1024]{0:T(1024)}), f32[512]{0:T(512)}, s32[]{:S(2)}) slice-start(%a)",
            "%d.1 = f32[1024]{0:T(1024)S(1)} copy-done(%s.1)",
            "%d.2 = f32[512]{0:T(512)} slice-done(%s.2)",
            "ROOT %b = f32[1024]{0:T(1024)S(1)} add(%d.1, %d.2)",
        )
    )
    # a, and what is cut out of it; the copy lies within the core.
    assert found.num_bytes == KIB + KIB // 2
    assert found.instruction == "s.2"
