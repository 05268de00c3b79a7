"""Where the cycles go, as a table and as JSON."""

from bert_wwm.estimate.profile import Instruction
from bert_wwm.estimate.table import profile_json, profile_lines

PROGRAM = [
    Instruction(2_000_000, 1, "other", "layers/attention, forward"),
    Instruction(1_000_000, 1, "other", "layers/attention, forward"),
    Instruction(6_000_000, 3, "copy", "layers/feed-forward, backward"),
    Instruction(1_000_000, 1, "other", "optimizer"),
]


def test_layers_of_a_kind_are_added_up():
    found = profile_json(PROGRAM)
    assert next(iter(found)) == "layers/feed-forward, backward", "the costliest part is the first"
    assert found == {
        "layers/attention, forward": {"other": 3.0},
        "layers/feed-forward, backward": {"copy": 6.0},
        "optimizer": {"other": 1.0},
    }


def test_table_of_parts():
    lines = profile_lines(PROGRAM)
    head = next(line for line in lines if "megacycles" in line)
    assert head.split() == ["megacycles", "copy", "other", "all", "share"]
    (attention,) = (line for line in lines if "layers/attention, forward" in line)
    assert attention.split()[-5:] == ["0.0", "3.0", "3.0", "30", "%"]
    (all_of_it,) = (line for line in lines if line.startswith("  all  "))
    assert all_of_it.split() == ["all", "6.0", "4.0", "10.0", "100", "%"]
