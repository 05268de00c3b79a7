"""Trainings that are killed, stopped, spread over processes or worked off in parts."""

import contextlib
import functools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time

import launcher
import numpy as np
import pytest
from skips import OTHER_TENSORFLOW

from bert_wwm.records.framing import frame, read_records

NUM_STEPS, SAVE_STEPS = 66, 7
STEP = re.compile(r"^step ([\d,]+)/\d+  loss ([\d.]+) ", re.MULTILINE)


@pytest.fixture(scope="module")
def shards(records, tmp_path_factory):
    """The small corpus's records in nine files, which are two sections of the stream."""
    folder = tmp_path_factory.mktemp("shards")
    framed = [frame(record) for record in read_records(records)]
    for number in range(9):
        (folder / f"part-{number}").write_bytes(b"".join(framed[number::9]))
    assert len(framed) * 3 < NUM_STEPS * 8, "the training should see some epochs"
    return f"{folder}/part-*"


@pytest.fixture(scope="module")
def packed(packed_records):
    """The flags of a training on packed records."""
    return (
        f"--input_file={packed_records}",
        "--max_seq_length=64",
        "--max_predictions_per_seq=10",
    )


class Training:
    """The program with the flags of a small training."""

    def __init__(self, input_file, bert_config):
        self._input_file = input_file
        self._bert_config = bert_config

    def flags(self, output_dir, *flags, **changes):
        return (
            f"--input_file={self._input_file}",
            f"--output_dir={output_dir}",
            f"--bert_config_file={self._bert_config(num_hidden_layers=1, **changes)}",
            "--max_seq_length=32",
            "--max_predictions_per_seq=5",
            "--train_batch_size=8",
            f"--num_train_steps={NUM_STEPS}",
            "--num_warmup_steps=4",
            "--learning_rate=1e-3",
            f"--save_checkpoints_steps={SAVE_STEPS}",
            "--log_every_steps=1",
            "--do_train",
            *flags,
        )

    def start(self, output_dir, *flags, cluster=None, **changes):
        """Starts it, maybe as a process of a cluster, maybe with a changed model."""
        return launcher.start(
            "run_pretraining.py",
            *self.flags(output_dir, *flags, **changes),
            environment={"TF_CONFIG": json.dumps(cluster)} if cluster else {},
        )

    def run(self, *args, **changes):
        """Runs it to its end; returns what it printed."""
        return finish(self.start(*args, **changes))


def finish(process, status=0):
    """Waits for the end of a process; returns what it printed."""
    result = process.result()
    assert result.returncode == status, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def training(shards, bert_config):
    return Training(shards, bert_config)


@pytest.fixture(scope="module")
def whole(training, packed, single_records, tmp_path_factory):
    """A training that nothing stopped: the folder, the flags, and what was printed.

    It trains on packed records, and evaluates on others.
    """
    folder = tmp_path_factory.mktemp("whole") / "model"
    flags = (
        *packed,
        f"--eval_every_steps={NUM_STEPS // 2}",
        f"--eval_input_file={single_records}",
        "--max_eval_steps=3",
        "--optimizer=adamw",
    )
    return folder, flags, training.run(folder, *flags)


def variables(folder, step=None):
    """All that a checkpoint holds, by name; by default the newest one's."""
    from bert_wwm.compat import tf

    where = f"{folder}/model.ckpt-{step}" if step is not None else str(folder)
    reader = tf.train.load_checkpoint(where)
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def assert_same_training(folder, expected_folder):
    """The last weights, slots and step are the same to the bit, and so are the best."""
    for place, at_least in (("", 80), ("best", 25)):  # the best are weights alone
        found, expected = variables(folder / place), variables(expected_folder / place)
        assert set(found) == set(expected) and len(found) > at_least
        different = [name for name in expected if found[name].tobytes() != expected[name].tobytes()]
        assert different == []
    assert variables(folder)["global_step"] == NUM_STEPS
    assert (folder / "best/best.json").read_text() == (
        expected_folder / "best/best.json"
    ).read_text()


def largest_difference(folder, expected_folder):
    """Of the weights; the slots of the optimizer are left out."""
    found, expected = variables(folder), variables(expected_folder)
    assert set(found) == set(expected)
    weights = [name for name in expected if not re.search(r"(adam|lamb)_[mv]$", name)]
    for name in weights:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-4, atol=1e-5, err_msg=name)
    return max(np.abs(found[name] - expected[name]).max() for name in weights)


def draw_moment(name, rng, folder):
    """Draws a moment to kill a process at; returns a function that tells whether it has come.

    Each comes before the process is more than some steps further, or at the first evaluation: all
    of them leave a training unfinished.
    """
    seen = set(os.listdir(folder)) if folder.exists() else set()

    def has_printed(pattern, times=1):
        return lambda process: len(re.findall(pattern, process.stdout(), re.MULTILINE)) >= times

    def saves(process):
        names = set(os.listdir(folder)) if folder.exists() else set()
        return any("temp" in name or ".data-" in name for name in names - seen)

    def delay(is_due, max_seconds):
        seconds, since = rng.uniform(0, max_seconds), []

        def is_due_later(process):
            if not since and is_due(process):
                since.append(time.monotonic())
            return since and time.monotonic() - since[0] >= seconds

        return is_due_later

    def either(one, other):
        return lambda process: one(process) or other(process)

    if name == "starting":
        return either(delay(lambda process: True, 2.0), has_printed(r"^step [\d,]+/"))
    if name == "training":
        return delay(has_printed(r"^step [\d,]+/", rng.integers(1, SAVE_STEPS + 3)), 0.05)
    if name == "saving":
        return delay(saves, 0.01)
    half = NUM_STEPS // 2
    evaluates = has_printed(f"^step {half}/")
    return either(delay(evaluates, 2.0), has_printed(f"^step {half + 1}/"))


def test_a_step_has_as_many_rows_as_hold_its_examples(whole):
    *_, printed = whole
    assert "on 9 file(s), 8 examples a step, in 6 rows of 1.42 on average\n" in printed


KILLS = ["starting", "training", "saving", "evaluating"]


def test_killed_at_any_moment_it_ends_in_the_same_weights(training, whole, tmp_path):
    seed = int.from_bytes(os.urandom(4), "big")
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    expected, flags, _ = whole
    folder = tmp_path / "model"
    pending, ends = list(rng.permutation(KILLS)), 0
    while pending:
        is_due = draw_moment(pending[-1], rng, folder)
        process = training.start(folder, *flags)
        while process.poll() is None and not is_due(process):
            time.sleep(0.002)
        process.kill()
        result = process.result()
        print(f"{pending[-1]}: {result.returncode} at {STEP.findall(result.stdout)[-1:]}")
        if result.returncode == -signal.SIGKILL:  # it was running
            pending.pop()
            continue
        # Where this process was held up, it got to its end first; another training takes the rest.
        ends += 1
        assert (result.returncode, ends) == (0, 1), result.stdout + result.stderr
        assert_same_training(folder, expected)
        shutil.rmtree(folder)
    training.run(folder, *flags)
    assert_same_training(folder, expected)


@pytest.mark.parametrize("begins", ["here", "there"])
def test_it_goes_on_on_another_tensorflow(training, whole, tmp_path, begins):
    """After a kill, to the losses of a training that stayed here."""
    python = os.environ.get("BERT_WWM_OTHER_PYTHON") or pytest.skip(OTHER_TENSORFLOW)
    _, flags, expected = whole
    program = str(launcher.ROOT / "run_pretraining.py")
    there = [python, program, *training.flags(tmp_path, *flags)]
    if begins == "here":
        process = training.start(tmp_path, *flags)
        process.wait_for("^step 20/")
        process.kill()
        text = process.result().stdout
        text += subprocess.run(there, stdout=subprocess.PIPE, text=True, check=True).stdout
    else:
        with subprocess.Popen(there, stdout=subprocess.PIPE, text=True) as process:
            text = ""
            while "\nstep 20/" not in text:
                text += process.stdout.readline()
            process.kill()
        text += training.run(tmp_path, *flags)
    assert f"Going on from {tmp_path}/model.ckpt-" in text
    found = {int(step): float(loss) for step, loss in STEP.findall(text)}
    assert found == pytest.approx(dict(enumerate(losses(expected, NUM_STEPS), 1)), abs=1e-4)


def test_sigterm_saves_first(training, whole, tmp_path):
    expected, flags, printed = whole
    folder = tmp_path / "model"
    process = training.start(folder, *flags)
    process.wait_for("step 5/")
    process.terminate()
    text = finish(process, status=128 + signal.SIGTERM)
    step = int(STEP.findall(text)[-1][0])
    assert 5 <= step < NUM_STEPS
    last = f"Stopped at step {step} by SIGTERM; the same command goes on"
    assert text.splitlines()[-1] == last
    assert variables(folder)["global_step"] == step
    summary = json.loads((folder / "training_summary.json").read_text())
    assert (summary["stopped"], summary["last_step"]) == (True, step)
    assert summary["examples"] == 8 * step
    resumed = training.run(folder, *flags)
    assert f"Going on from {folder}/model.ckpt-{step}\n" in resumed
    assert STEP.findall(text) + STEP.findall(resumed) == STEP.findall(printed)
    summary = json.loads((folder / "training_summary.json").read_text())
    assert (summary["stopped"], summary["first_step"]) == (False, step)
    evaluations = json.loads((expected / "training_summary.json").read_text())["evaluations"]
    assert summary["evaluations"] == [each for each in evaluations if each["step"] >= step]
    assert_same_training(folder, expected)


def test_a_truncated_checkpoint_is_passed_over(training, whole, tmp_path):
    expected, flags, _ = whole
    folder = tmp_path / "model"
    shutil.copytree(expected, folder)
    data = folder / f"model.ckpt-{NUM_STEPS}.data-00000-of-00001"
    os.truncate(data, data.stat().st_size // 2)
    text = training.run(folder, *flags)
    # The second half of the training, behind an evaluation, counts its checkpoints anew.
    half = NUM_STEPS // 2
    before = f"{folder}/model.ckpt-{half + half // SAVE_STEPS * SAVE_STEPS}"
    assert f"model.ckpt-{NUM_STEPS}: broken checkpoint" in text
    assert f"moved to {folder}/broken, and {before} is taken instead\n" in text
    assert f"Going on from {before}\n" in text
    assert (folder / "broken" / data.name).exists()
    assert_same_training(folder, expected)


NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
SHORT = ("--num_train_steps=12", "--num_warmup_steps=2", "--train_batch_size=16")


@pytest.fixture(scope="module")
def at_once(training, tmp_path_factory):
    """Short trainings in one process and one part, by optimizer: the folder, and the losses."""

    @functools.cache
    def train(optimizer):
        folder = tmp_path_factory.mktemp(optimizer) / "model"
        flags = (*SHORT, f"--optimizer={optimizer}")
        return folder, losses(training.run(folder, *flags, **NO_DROPOUT))

    return train


def losses(text, num_steps=12):
    """The loss of each step."""
    lines = STEP.findall(text)
    assert [int(step) for step, _ in lines] == list(range(1, num_steps + 1))
    return [float(loss) for _, loss in lines]


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("localhost", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@contextlib.contextmanager
def two_machines(training, folder, *flags, only_second=(), **changes):
    """Starts two processes that train together; gives their addresses and themselves."""
    addresses = [f"localhost:{port}" for port in free_ports(2)]
    processes = [
        training.start(
            folder,
            *flags,
            "--distribution_strategy=multi_worker",
            *(only_second if index else ()),
            cluster={
                "cluster": {"worker": addresses},
                "task": {"type": "worker", "index": index},
            },
            **changes,
        )
        for index in range(2)
    ]
    try:  # each waits for the other
        yield addresses, processes
    finally:
        for process in processes:
            process.kill()


@pytest.mark.parametrize(
    "optimizer, num_parts, evaluate",
    [("lamb", 2, False), pytest.param("adamw", 1, True, marks=pytest.mark.long)],
)
def test_two_machines_train_as_one(
    training, shards, at_once, tmp_path, optimizer, num_parts, evaluate
):
    expected, expected_losses = at_once(optimizer)
    folder = tmp_path / "model"
    flags = (*SHORT, f"--optimizer={optimizer}", f"--num_accumulation_steps={num_parts}")
    if evaluate:  # of one; the other waits for it
        flags += ("--eval_every_steps=6", f"--eval_input_file={shards[:-1]}0")
    with two_machines(training, folder, *flags, **NO_DROPOUT) as (_, processes):
        texts = [finish(process) for process in processes]
    assert not re.search("^step ", texts[1], re.MULTILINE)
    assert texts[0].count(": held out  loss") == 2 * evaluate
    assert losses(texts[0]) == pytest.approx(expected_losses, abs=2e-4)
    print(f"largest difference {largest_difference(folder, expected):.2e}")
    assert (folder / "training_summary.json").exists()


def only_error(process):
    """Waits for the end of a process that fails; returns its one sentence."""
    result = process.result(60)
    assert result.returncode == 1, result.stdout + result.stderr
    program, _, sentence = result.stderr.partition(": error: ")
    assert (program, sentence.count("\n")) == ("run_pretraining.py", 1), result.stderr
    return sentence.rstrip("\n")


def test_machines_with_different_flags_do_not_train(training, shards, tmp_path):
    other = f"--input_file={shards[:-1]}[0-7]", "--learning_rate=1e-4"
    folder = tmp_path / "model"
    with two_machines(training, folder, *SHORT, only_second=other) as (addresses, processes):
        first, second = (only_error(process) for process in processes)
    assert first == second
    assert first.startswith(
        f"worker 1 ({addresses[1]}) was not started like worker 0 ({addresses[0]}): "
        "--learning_rate is 0.0001, not 0.001, the number of files of --input_file is 8, not 9, "
        "file 9 of --input_file is None, not part-8 of "
    )
    assert not folder.exists()


@pytest.mark.parametrize(
    "victim, by",
    [
        (1, signal.SIGKILL),
        pytest.param(0, signal.SIGTERM, marks=pytest.mark.long),
        pytest.param(0, signal.SIGKILL, marks=pytest.mark.long),
    ],
)
def test_no_machine_waits_for_one_that_has_gone(training, tmp_path, victim, by):
    flags = (f"--num_train_steps={100 * NUM_STEPS}",)
    with two_machines(training, tmp_path, *flags) as (addresses, processes):
        processes[0].wait_for(f"step {SAVE_STEPS + 2}/")
        processes[victim].send_signal(by)
        sentence = only_error(processes[1 - victim])
        assert processes[victim].wait() == -by
    assert sentence == (
        f"worker {victim} ({addresses[victim]}) has gone before the training ended; start all "
        "processes of the cluster again, together: they resume from the last checkpoint"
    )
    if by != signal.SIGKILL:
        return
    step = variables(tmp_path)["global_step"]
    with two_machines(training, tmp_path, f"--num_train_steps={step + 2}") as (_, processes):
        texts = [finish(process) for process in processes]
    for text in texts:
        assert f"Going on from {tmp_path}/model.ckpt-{step}\n" in text
    assert [int(step) for step, _ in STEP.findall(texts[0])] == [step + 1, step + 2]


@pytest.mark.parametrize("optimizer", ["adamw", pytest.param("lamb", marks=pytest.mark.long)])
def test_a_batch_in_four_parts_trains_as_at_once(training, at_once, tmp_path, optimizer):
    expected, expected_losses = at_once(optimizer)
    folder = tmp_path / "model"
    flags = (*SHORT, f"--optimizer={optimizer}", "--num_accumulation_steps=4")
    text = training.run(folder, *flags, **NO_DROPOUT)
    assert losses(text) == pytest.approx(expected_losses, abs=2e-4)
    print(f"largest difference {largest_difference(folder, expected):.2e}")


def test_mirrored_on_one_device_trains_as_without(training, packed, whole, tmp_path):
    folder, _, printed = whole
    mirrored = training.run(tmp_path / "mirrored", *packed, "--distribution_strategy=mirrored")
    expected = losses(printed, NUM_STEPS)
    assert losses(mirrored, NUM_STEPS) == pytest.approx(expected, abs=2e-4)
    print(f"largest difference {largest_difference(tmp_path / 'mirrored', folder):.2e}")


@pytest.mark.parametrize("flag", ["--use_bfloat16", "--use_float16", "--use_xla"])
def test_other_arithmetic_trains_nearly_the_same(training, at_once, tmp_path, flag):
    text = training.run(tmp_path / "model", *SHORT, flag, **NO_DROPOUT)
    assert losses(text) == pytest.approx(at_once("adamw")[1], rel=0.02)
