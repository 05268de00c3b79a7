import sys

from absl import flags

from bert_wwm.cli import same_run


def test_all_flags_of_the_program_count_but_the_harmless(monkeypatch):
    defined = flags.FlagValues()
    flags.DEFINE_integer("rate", 1, "", flag_values=defined, module_name="a.py")
    flags.DEFINE_string("where", "x", "", flag_values=defined, module_name="a.py")
    flags.DEFINE_string("of_another", "x", "", flag_values=defined, module_name="b.py")
    monkeypatch.setattr(flags, "FLAGS", defined)
    monkeypatch.setattr(sys, "argv", ["a.py"])
    defined(["a.py"])
    assert same_run.key_flags() == {"rate": 1, "where": "x"}
    assert same_run.flags_of_run(["where", "of_others"]) == {"rate": 1}
