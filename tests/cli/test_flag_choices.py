"""The choices of enum flags, in all programs, are the names of the tables that the code uses."""

import functools
import glob
import os
from xml.etree import ElementTree

import launcher
import pytest

from bert_wwm.core.choices import GELU_FORMS, POOLINGS
from bert_wwm.data.instances import PAIRINGS
from bert_wwm.masking.strategies import STRATEGIES
from bert_wwm.metrics.tagging import SCHEMES
from bert_wwm.model.layers import get_activation
from bert_wwm.segmentation.segmenters import SEGMENTERS
from bert_wwm.tasks.table import TASKS
from bert_wwm.train.estimator import DISTRIBUTION_STRATEGIES
from bert_wwm.train.optimizers import OPTIMIZERS

TABLES = {
    "distribution_strategy": DISTRIBUTION_STRATEGIES.names(),
    "gelu": GELU_FORMS,
    "masking_strategy": STRATEGIES.names(),
    "optimizer": OPTIMIZERS.names(),
    "pairing": PAIRINGS.names(),
    "pert_scope": STRATEGIES["pert"].scopes,
    "pert_target": STRATEGIES["pert"].targets,
    "pooling": POOLINGS,
    "scheme": SCHEMES,
    "segmenter": SEGMENTERS.names(),
}
# Choices that only the program or the module of the flag knows.
OWN = {
    "colour",
    "compression",
    "documents",
    "input_format",
    "metric",
    "mode",
    "runner",
    "tokenizer",
}
USERS_TASK = "tsv"

PROGRAMS = [
    os.path.relpath(path, launcher.ROOT)
    for folder in ("", "scripts")
    for path in sorted(glob.glob(os.path.join(launcher.ROOT, folder, "*.py")))
    if "flags.DEFINE_" in open(path, encoding="utf-8").read()
]

PRETRAINING = ("run_pretraining.py", "estimate_tpu.py")


@functools.cache
def read_choices(program):
    """Returns the values of each enum flag of a program, but for absl's own flags."""
    printed = launcher.run(program, "--helpxml", status=1).stdout
    flags = ElementTree.fromstring(printed).iter("flag")
    return {
        flag.findtext("name"): [value.text for value in flag.iter("enum_value")]
        for flag in flags
        if flag.findtext("key") == "yes" and flag.find("enum_value") is not None
    }


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS)
def test_choices_are_the_names_of_the_tables(program):
    choices = read_choices(program)
    for name, values in choices.items():
        if name == "distribution_strategy" and program not in PRETRAINING:
            assert values == ["mirrored"]  # fine-tuning takes one machine
        elif name in TABLES:
            assert sorted(values) == sorted(TABLES[name]), name
        elif name == "task_name":
            assert set(values) <= {*TASKS.names(), USERS_TASK}
        else:
            assert name in OWN, f"--{name}: choices without a table"
    if program == "estimate_tpu.py":
        assert choices["task_name"] == TASKS.names()


@pytest.mark.slow
def test_each_task_has_one_program():
    programs = ("run_classifier.py", "run_ner.py", "run_squad.py")
    found = [name for program in programs for name in read_choices(program)["task_name"]]
    assert sorted(found) == sorted([*TASKS.names(), USERS_TASK])


def test_each_form_of_gelu_is_an_activation():
    assert all(callable(get_activation(f"gelu_{form}")) for form in GELU_FORMS)
