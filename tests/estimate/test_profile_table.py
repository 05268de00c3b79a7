"""Where the cycles go, as a table and as JSON."""

import pytest

from bert_wwm.estimate.compiler import Compiled
from bert_wwm.estimate.profile_table import profile_json, profile_lines

LAYER = "StatefulPartitionedCall/bert/encoder/layer_{}/{}"


def instruction(name, opcode, operand, op_name, cycles, shape="f32[1024,1024]{1,0:T(8,128)}"):
    return (
        f"  %{name} = {shape} {opcode}(%{operand}), "
        f'metadata={{op_name="{op_name}"}}, backend_config={{"estimated_cycles":"{cycles}"}}\n'
    )


@pytest.fixture
def compiled():
    """A program of four instructions, of 4 MiB each."""
    hlo = (
        "HloModule step, is_scheduled=true\n\n"
        "ENTRY %main (p: f32[1024,1024]) -> f32[1024,1024] {\n"
        "  %p = f32[1024,1024]{1,0:T(8,128)} parameter(0)\n"
        + instruction("a", "tanh", "p", LAYER.format(0, "attention/self/Tanh"), 2_000_000)
        + instruction("b", "tanh", "a", LAYER.format(11, "attention/self/Tanh"), 1_000_000)
        + instruction("c", "copy", "b", "x/gradients/" + LAYER.format(0, "output/Add"), 6_000_000)
        + instruction("d", "tanh", "c", "x/AdamWeightDecayOptimizer/Mul", 1_000_000)
        + "}\n"
    )
    return Compiled(0, 0, 0, 0, 0.0, hlo)


def test_layers_of_a_kind_are_added_up(compiled):
    found = profile_json(compiled)
    assert found["megacycles"] == {
        "layers/attention, forward": {"other": 3.0},
        "layers/feed-forward, backward": {"copy": 6.0},
        "optimizer": {"other": 1.0},
    }
    assert sum(group["gib"] for group in found["memory_at_peak"]) > 0


def test_layers_are_told_apart(compiled):
    found = profile_json(compiled)
    nothing = dict.fromkeys(
        ("attention, forward", "attention, backward", "feed-forward, forward"), 0.0
    )
    assert found["layers"] == [
        {**nothing, "attention, forward": 2.0, "feed-forward, backward": 6.0, "all": 8.0},
        {**nothing, "attention, forward": 1.0, "feed-forward, backward": 0.0, "all": 1.0},
    ]
    (last,) = (line for line in profile_lines(compiled) if "layer 11" in line)
    assert last.split() == ["layer", "11", "1.00", "0.00", "0.00", "0.00", "1.00"]
    (costliest, *_) = found["costliest_instructions"]
    assert (costliest["kind"], costliest["megacycles"]) == ("copy", 6.0)
    assert costliest["largest_result"] == "f32[1024,1024]"


def test_tables(compiled):
    lines = profile_lines(compiled)
    head = next(line for line in lines if "megacycles" in line)
    assert head.split() == ["megacycles", "copy", "other", "all", "share"]
    (attention,) = (line for line in lines if "layers/attention, forward" in line)
    assert attention.split()[-5:] == ["0.0", "3.0", "3.0", "30", "%"]
    (all_of_it,) = (line for line in lines if line.startswith("  all  "))
    assert all_of_it.split() == ["all", "6.0", "4.0", "10.0", "100", "%"]
    (above,) = (number for number, line in enumerate(lines) if "costliest" in line)
    costliest = lines[above + 1]
    assert costliest.split() == ["encoder/layer_0/output/Add", "copy", "6.00", "f32[1024,1024]"]
    assert any(line.startswith("  all temporaries") for line in lines)
