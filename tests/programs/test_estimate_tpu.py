"""Flags, phases and output, with a compiler of the tests' own making; and with the real one."""

import json
import os
import subprocess
import sys

import launcher
import pytest
from skips import TPU_COMPILER

from bert_wwm.core.errors import ConfigError
from bert_wwm.estimate.environment import VARIABLE, compiler_python

PROGRAM = "tests/programs/estimate_with_fake_compiler.py"


@pytest.fixture
def estimate(bert_config):
    """Runs the program with a made-up compiler; returns its result."""

    def run_program(*flags, status=0, config=None):
        config = f"--bert_config_file={config or bert_config()}"
        return launcher.run(PROGRAM, config, *flags, status=status)

    return run_program


def as_json(result):
    return json.loads(result.stdout)


def steps_seen(stderr):
    line = next(line for line in stderr.splitlines() if line.startswith("SEEN "))
    return json.loads(line[len("SEEN ") :])


def phases(folder, **flags):
    """Flagfiles with these names and flags."""
    for name, text in flags.items():
        (folder / f"{name}.flags").write_text(text.replace(" ", "\n"))
    return [f"--flagfile={folder}/{name}.flags" for name in flags]


PHASE = ("--max_seq_length=32", "--max_predictions_per_seq=5", "--train_batch_size=800")


def test_a_phase_that_fits(estimate):
    result = estimate(*PHASE, "--num_train_steps=36000", "--price_per_hour=8", "--json")
    found = as_json(result)
    assert (found["topology"], found["cores"], found["fits"]) == ("v3-8", 8, True)
    assert found["batch_per_core"] == 100
    assert found["estimated_megacycles"] == pytest.approx(188)
    assert found["estimated_ms"] == pytest.approx(200)
    assert found["step_ms"] == pytest.approx(200 + found["network_ms"])
    assert found["argument_gib"] == pytest.approx(1)
    assert found["temp_gib"] == pytest.approx(5)
    assert found["memory_limit_gib"] == 15.48
    assert found["hours"] == pytest.approx(36000 * found["step_ms"] / 3.6e6)
    assert found["days"] == pytest.approx(found["hours"] / 24)
    assert found["cost"] == pytest.approx(8 * found["hours"])
    assert found["examples_per_second"] == pytest.approx(800e3 / found["step_ms"])
    assert found["tokens_per_second"] == pytest.approx(32 * found["examples_per_second"])
    assert found["share_of_peak"] == pytest.approx(100 / found["step_ms"])
    (phase,) = found["phases"]
    assert phase.items() <= found.items()
    (step,) = steps_seen(result.stderr)
    assert step["replicas"] == 8


def test_one_core_alone(estimate):
    result = estimate(*PHASE, "--one_core", "--json")
    (step,) = steps_seen(result.stderr)
    found = as_json(result)
    assert (step["replicas"], found["batch_per_core"], found["network_ms"]) == (1, 100, 0)


def test_what_a_person_reads(estimate):
    result = estimate(*PHASE, "--num_train_steps=36000", "--price_per_hour=8")
    lines = result.stdout.splitlines()
    assert lines[0] == "pretraining on v3-8: small, 2 layers of width 32, training"
    assert any("yes: 6.0 of 15.48 GiB a core" in line for line in lines)
    assert any("2.0 hours" in line and "16." in line for line in lines)
    long = estimate(*PHASE, "--num_train_steps=3600000").stdout
    assert "  3,600,000 steps 20" in long
    assert "the TPU compiler's own estimate" in result.stdout
    assert max(map(len, lines)) <= 110


def test_flagfiles_are_phases(estimate, tmp_path):
    first, second = phases(
        tmp_path,
        first="#a-phase --max_seq_length=32 --train_batch_size=800 --num_train_steps=1000",
        second="--max_seq_length=64 --train_batch_size=160 --optimizer=lamb",
    )
    common = ("--use_bfloat16", "--max_predictions_per_seq=5", "--price_per_hour=8")
    result = estimate(first, *second.split("="), *common, "--json")
    found = as_json(result)
    assert [phase["name"] for phase in found["phases"]] == ["first", "second"]
    assert [phase["steps"] for phase in found["phases"]] == [1000, 100_000]
    assert [phase["max_seq_length"] for phase in found["phases"]] == [32, 64]
    assert [phase["batch_per_core"] for phase in found["phases"]] == [100, 20]
    seen = steps_seen(result.stderr)
    assert [step["optimizer"] for step in seen] == ["adamw", "lamb"]
    assert all(step["use_bfloat16"] for step in seen)
    for name in ("hours", "days", "cost"):
        assert found[name] == pytest.approx(sum(phase[name] for phase in found["phases"]))
    assert "fits" not in found

    printed = estimate(first, second, *common).stdout
    assert "all 2 phases" in printed


def test_a_batch_that_does_not_fit_is_an_answer(estimate):
    flags = ("--max_seq_length=32", "--max_predictions_per_seq=5", "--train_batch_size=4800")
    found = as_json(estimate(*flags, "--json"))
    assert found["fits"] is False
    assert found["batch_per_core"] == 600
    assert found["needed_gib"] == pytest.approx(31)
    assert found["estimated_ms"] is found["hours"] is found["cost"] is None
    assert found["largest"]["batch_per_core"] == 288  # 289 fit

    printed = estimate(*flags, "--profile").stdout
    assert "no: more than 15.48 GiB a core; 31.0 GiB by the compiler's last attempt" in printed
    assert "288 a core, 2,304 a step" in printed


def test_the_profile(estimate):
    printed = estimate(*PHASE, "--profile").stdout
    assert "layers/attention, forward   188.0  188.0  100 %" in printed
    profile = as_json(estimate(*PHASE, "--profile", "--json"))["profile"]
    assert profile == {"layers/attention, forward": {"matmul": 188.0}}


def test_flags_of_the_whole_stand_anywhere(estimate, tmp_path):
    files = phases(
        tmp_path,
        first="--topology=v3-32 --json --profile --price_per_hour=8",
        second="--num_train_steps=1000",
    )
    found = as_json(estimate(*files, *PHASE))
    assert found["topology"] == "v3-32"
    assert [phase["cost"] for phase in found["phases"]] == [
        pytest.approx(8 * phase["hours"]) for phase in found["phases"]
    ]
    assert all("profile" in phase for phase in found["phases"])


def test_a_task_on_chips(estimate):
    printed = estimate(
        "--task_name=xnli", "--max_seq_length=32", "--price_per_hour=8", "--topology=v4-8"
    ).stdout
    assert "on each of 4 chips" in printed and "GiB a chip" in printed
    assert "the number of steps depends on the data; set --num_train_steps" in printed


def test_errors_name_the_phase(estimate, tmp_path):
    files = phases(tmp_path, good="--max_seq_length=32", bad="--max_seq_length=128")
    result = estimate(*files, status=1)
    expected = "error: bad: --max_seq_length=128 is more than max_position_embeddings"
    assert expected in result.stderr
    assert not steps_seen(result.stderr)


def test_a_flagfile_that_is_no_phase(tmp_path, bert_config):
    files = phases(tmp_path, phase=f"--bert_config_file={bert_config()}", common="--use_bfloat16")
    (line,) = launcher.run("estimate_tpu.py", *files, status=1).stderr.splitlines()
    assert "error: common: " in line and "each --flagfile is a phase" in line


def test_find_batch(estimate):
    result = estimate(*PHASE, "--find_batch", "--json")
    found = as_json(result)
    assert found["fits"] and found["batch_per_core"] == 100
    assert found["largest"]["batch_per_core"] == 288
    assert "288 examples a core" in result.stderr
    found = as_json(estimate(*PHASE, "--num_accumulation_steps=2", "--find_batch", "--json"))
    assert found["largest"]["batch_per_core"] == 2 * 288


def test_batch_per_core_stands_above_the_recipe(estimate):
    found = as_json(estimate(*PHASE, "--batch_per_core=24", "--topology=v3-32", "--json"))
    assert (found["batch_per_core"], found["cores"]) == (24, 32)
    assert found["examples_per_second"] == pytest.approx(24 * 32 * 1e3 / found["step_ms"])


def test_packed_records_take_fewer_sequences(estimate, packed_records):
    flags = ("--max_seq_length=64", "--max_predictions_per_seq=10", "--train_batch_size=800")
    found = as_json(estimate(*flags, f"--input_file={packed_records}", "--json"))
    assert found["batch_per_core"] == round(100 * 73 / 104)
    sequences = 8e3 * found["batch_per_core"] / found["step_ms"]
    assert found["examples_per_second"] == pytest.approx(sequences * 104 / 73)
    assert found["tokens_per_second"] == pytest.approx(64 * sequences)


def test_a_person_reads_what_packed_examples_cost(estimate, tmp_path):
    files = phases(tmp_path, train="--mode=train", eval="--mode=eval --eval_batch_size=64")
    printed = estimate(*PHASE, *files, "--instances_per_row=2", "--price_per_hour=8").stdout
    assert "400 rows a step, 50 on each of 8 cores; 2.00 examples a row\n" in printed
    assert "\n  per million   examples: 2.2 minutes, at a cost of 0.29\n" in printed
    # The batch of an evaluation is one of rows.
    assert "64 rows a step, 8 on each of 8 cores; 2.00 examples a row\n" in printed


def test_the_objective_of_each_phase(estimate, tmp_path):
    cases = {
        "default": ("", ["masked_lm", "next_sentence"], "train"),
        "contiguous": ("--pairing=contiguous", ["masked_lm"], "train"),
        "single": ("--pairing=single", ["masked_lm"], "train"),
        "no_pairs": ("--sentence_pair_loss=False", ["masked_lm"], "train"),
        "macbert": ("--masking_strategy=macbert", ["masked_lm", "sentence_order"], "train"),
        "lert": ("--masking_strategy=lert", ["masked_lm", "pos", "ner", "dep"], "train"),
        "pert": ("--masking_strategy=pert --mode=eval", ["position"], "eval"),
        "xnli": ("--task_name=xnli", ["label"], "train"),
        "ner": ("--task_name=msra_ner --mode=eval", ["tag"], "infer"),
        "cjrc": ("--task_name=cjrc", ["start", "end", "answer_type"], "train"),
    }
    files = phases(tmp_path, **{name: flags for name, (flags, *_) in cases.items()})
    result = estimate("--max_seq_length=32", "--max_predictions_per_seq=5", *files, "--json")
    seen = steps_seen(result.stderr)
    assert [(step["heads"], step["mode"]) for step in seen] == [
        (heads, mode) for _, heads, mode in cases.values()
    ]
    assert [phase["mode"] for phase in as_json(result)["phases"]] == [
        "eval" if "--mode=eval" in flags else "train" for flags, *_ in cases.values()
    ]


def test_a_task_has_its_own_defaults(estimate, bert_config, tmp_path):
    files = phases(tmp_path, reading="--task_name=cmrc2018", pair="--task_name=xnli --mode=eval")
    config = bert_config(max_position_embeddings=512)
    found = as_json(estimate("--task_name=cmrc2018", "--json", config=config))
    assert found["name"] == "cmrc2018"
    reading, pair = as_json(estimate(*files, "--json", config=config))["phases"]
    assert (reading["max_seq_length"], reading["batch_per_core"]) == (512, 8)
    assert reading["steps"] is reading["hours"] is None
    assert (pair["max_seq_length"], pair["batch_per_core"]) == (128, 4)


def test_an_evaluation_has_its_own_batch(estimate):
    flags = ("--mode=eval", "--eval_batch_size=64", "--max_eval_steps=10", "--json")
    found = as_json(estimate(*PHASE, "--num_accumulation_steps=3", *flags))
    assert (found["batch_per_core"], found["steps"]) == (8, 10)
    assert found["num_accumulation_steps"] == 1


@pytest.mark.parametrize(
    "flags, message",
    [
        (("--topology=v3-7",), "unknown TPU slice 'v3-7'; known: v2-8"),
        (("--train_batch_size=20",), "--train_batch_size=20 can't be divided evenly by 8 cores"),
        (
            ("--train_batch_size=64", "--num_accumulation_steps=3"),
            "8 cores of v3-8 x 3 accumulation step(s); expected a multiple of 24",
        ),
        (("--batch_per_core=5", "--num_accumulation_steps=2"), "expected a multiple of 16"),
        (("--lert_end_steps=a,b,c",), "--lert_end_steps: 'a' is no number"),
        (("--task_name=squad",), "--train_batch_size=12 can't be divided evenly"),
        (("--task_name=xnli", "--pairing=nsp"), "--pairing is of pretraining"),
        (("--task_name=xnli", "--instances_per_row=2"), "--instances_per_row is of pretraining"),
        (("--sentence_pair_loss", "--pairing=contiguous"), "has no labels of pairs"),
    ],
)
def test_bad_flags_are_refused_before_tensorflow_is_imported(bert_config, flags, message):
    """In a process that starts without TensorFlow."""
    result = subprocess.run(
        [sys.executable, PROGRAM, f"--bert_config_file={bert_config()}", *flags],
        cwd=launcher.ROOT,
        env={**os.environ, **launcher.ENVIRONMENT},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert message in result.stderr and "Traceback" not in result.stderr
    assert not steps_seen(result.stderr)
    assert "False" in result.stderr.splitlines()


def test_the_compiler_is_named_where_it_can_not_be_had(bert_config, monkeypatch):
    monkeypatch.setenv(VARIABLE, "/nowhere/python")
    result = launcher.run(
        "estimate_tpu.py",
        f"--bert_config_file={bert_config()}",
        "--max_seq_length=32",
        status=1,
    )
    (line,) = result.stderr.splitlines()
    assert "/nowhere/python" in line


@pytest.fixture(scope="module")
def compiler():
    """Where the real compiler is."""
    try:
        return compiler_python(print)
    except ConfigError as error:
        pytest.skip(f"{TPU_COMPILER}: {error}")


@pytest.mark.long
def test_the_real_compiler(compiler, bert_config):
    flags = ["--max_seq_length=32", "--max_predictions_per_seq=5", "--json"]
    flags += [f"--bert_config_file={bert_config()}"]
    slices = {}
    for topology in ("v3-8", "v3-32"):
        found = json.loads(launcher.run("estimate_tpu.py", f"--topology={topology}", *flags).stdout)
        assert found["fits"] and found["cores"] == int(topology[3:])
        assert 0 < found["estimated_megacycles"] < 10
        assert found["estimated_ms"] == pytest.approx(1e3 * found["estimated_megacycles"] / 940)
        assert 0 < found["temp_gib"] < 1 and 0 < found["argument_gib"] < 0.1
        assert 0 < found["share_of_peak"] < 1
        slices[topology] = found
    assert slices["v3-32"]["batch_per_core"] == slices["v3-8"]["batch_per_core"] / 4


def test_the_real_compiler_profiles(compiler, bert_config):
    result = launcher.run(
        "estimate_tpu.py",
        f"--bert_config_file={bert_config()}",
        "--max_seq_length=32",
        "--max_predictions_per_seq=5",
        "--profile",
    )
    for part in ("embeddings", "attention", "feed-forward", "heads", "matmul"):
        assert part in result.stdout
