"""Attacks on the programs at random, a few of them."""

import re

import launcher
import pytest

PROGRAMS = ("build_vocabulary", "segment_corpus")


@pytest.mark.long
def test_programs_withstand_some_attacks():
    result = launcher.start(
        "tests/torture",
        *("--seed=1", "--kills=2", "--full_disks=2", "--pairs=2", "--mutations=20"),
        "--programs=build_vocabulary,segment_corpus,records,hugging_face",
    ).result()
    assert result.returncode == 0, result.stdout + result.stderr
    rows = re.findall(r"^(\S+)/(\S+) +(\d+) +\d+ +\d+ +\d+ +0$", result.stdout, re.MULTILINE)
    assert [(kind, name) for kind, name, _ in rows] == [
        *[(k, f"{n}.py") for k in ("kills", "full_disks", "pairs") for n in PROGRAMS],
        ("mutations", "records"),
        ("mutations", "hugging_face"),
    ]
