"""The description by which processes of a cluster are compared."""

import json
import shutil

import numpy as np
import pytest

from bert_wwm.model.checkpoint import write_variables
from bert_wwm.train.same_start import describe_checkpoint, describe_code, describe_flags


@pytest.fixture
def machine(tmp_path):
    """Makes a machine's copy of all input; returns its folder and its flags."""

    def copy(name):
        folder = tmp_path / name
        folder.mkdir()
        for shard, content in (("a-0", b"12345"), ("a-1", b"123")):
            (folder / shard).write_bytes(content)
        (folder / "manifest.a-0.json").write_text("{}")
        (folder / "config.json").write_text('{"hidden_size": 32, "vocab_size": 9}')
        (folder / "vocab.txt").write_text("[MASK]\n")
        write_variables(str(folder / "start.ckpt"), {"weights": np.ones(2, np.float32)})
        return folder, {
            "input_file": [f"{folder}/a-*"],
            "eval_input_file": None,
            "bert_config_file": f"{folder}/config.json",
            "init_checkpoint": f"{folder}/start.ckpt",
            "output_dir": f"{folder}/model",
            "vocab_file": f"{folder}/vocab.txt",
            "learning_rate": 1e-3,
            "init_layers": None,
        }

    return copy


def change_start(folder, flags):
    write_variables(str(folder / "start.ckpt"), {"weights": np.zeros(2, np.float32)})


CHANGES = {
    "--learning_rate": lambda folder, flags: flags.update(learning_rate=1e-4),
    "file 2 of --input_file": lambda folder, flags: (folder / "a-1").write_bytes(b"1234"),
    "the hash of manifest 1 of --input_file": lambda folder, flags: (
        folder / "manifest.a-0.json"
    ).write_text("[]"),
    "vocab_size of --bert_config_file": lambda folder, flags: (folder / "config.json").write_text(
        '{"vocab_size": 8, "hidden_size": 32}'
    ),
    "the hash of --vocab_file": lambda folder, flags: (folder / "vocab.txt").write_text("[CLS]\n"),
    "--init_checkpoint": change_start,
}


def test_copies_on_two_machines_are_described_alike(machine):
    (_, flags), (_, other) = machine("a"), machine("b")
    described = describe_flags(flags)
    assert described == describe_flags(other)
    assert json.loads(json.dumps(described)) == described
    assert described["file 1 of --input_file"] == "a-0 of 5 bytes"


@pytest.mark.parametrize("name", CHANGES)
def test_every_difference_has_a_name(machine, name):
    folder, flags = machine("a")
    described = describe_flags(flags)
    CHANGES[name](folder, flags)
    changed = describe_flags(flags)
    different = {key for key in {**described, **changed} if described.get(key) != changed.get(key)}
    assert different == {name}


def test_the_number_and_the_order_of_records_count(machine):
    folder, flags = machine("a")
    shutil.copy(folder / "a-1", folder / "a-2")
    three = describe_flags(flags)
    assert three["the number of files of --input_file"] == 3
    flags["input_file"] = [f"{folder}/a-1", f"{folder}/a-0", f"{folder}/a-2"]
    assert describe_flags(flags)["file 1 of --input_file"] == "a-1 of 3 bytes"


def test_a_checkpoint_may_be_missing(machine):
    folder, _ = machine("a")
    assert describe_checkpoint(None) is None
    assert describe_checkpoint(f"{folder}/none") == "missing"


def test_the_code_is_hashed(tmp_path):
    programs = [tmp_path / name for name in ("a.py", "b.py", "c.py")]
    for program, code in zip(programs, ("1", "1", "2")):
        program.write_text(code)
    first, same, other = (describe_code(str(program)) for program in programs)
    assert first == same
    assert first["the hash of the code"] != other["the hash of the code"]
    assert set(first) == {"the hash of the code", "TensorFlow's version"}
