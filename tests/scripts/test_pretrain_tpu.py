"""The script that trains recipes on TPUs, with a python that only notes what it was asked."""

import os
import pathlib
import signal
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# Takes its status and its words from the next line of the file $PLAN.
_PYTHON = """#!/bin/bash
echo "$*" >> "$CALLS"
read -r status words < "$PLAN"
sed -i 1d "$PLAN"
echo "$words" >&2
if [ "$status" = wait ]; then
    trap 'exit 143' TERM
    touch "$CALLS.waits"
    for _ in {1..500}; do sleep 0.02; done
fi
exit "$status"
"""
# Stands for the server that tells a TPU's machine its number.
_CURL = """#!/bin/bash
[ -n "$WORKER" ] && echo "$WORKER"
"""
TPU = "--use_tpu --tpu_name=local"


class Machine:
    """Runs the script where ``python`` is not Python."""

    def __init__(self, folder: pathlib.Path):
        self.calls_file = folder / "calls"
        self._plan = folder / "plan"
        self._folder = folder
        (folder / "bin").mkdir()
        for name, content in (("python", _PYTHON), ("curl", _CURL)):
            program = folder / "bin" / name
            program.write_text(content)
            program.chmod(0o755)

    def start(self, plan: list[str], *arguments: str, **environment: str):
        self._plan.write_text("".join(f"{line}\n" for line in plan))
        return subprocess.Popen(
            ["bash", str(ROOT / "scripts" / "pretrain_tpu.sh"), *arguments],
            cwd=self._folder,
            env={
                **os.environ,
                "PATH": f"{self._folder}/bin:{os.environ['PATH']}",
                "CALLS": str(self.calls_file),
                "PLAN": str(self._plan),
                "PAUSE": "0.1",
                **environment,
            },
            stderr=subprocess.PIPE,
            # A shell ignores for good what it ignored when it began, as in the background.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            text=True,
        )

    def run(self, plan: list[str], *arguments: str, **environment: str):
        """Returns the status, what was written to standard error, and the calls."""
        process = self.start(plan, *arguments, **environment)
        _, error = process.communicate(timeout=60)
        return process.returncode, error, self.calls()

    def calls(self) -> list[str]:
        return self.calls_file.read_text().splitlines() if self.calls_file.exists() else []


@pytest.fixture
def machine(tmp_path: pathlib.Path) -> Machine:
    return Machine(tmp_path)


RBT3 = ("rbt3", "local", "gs://b/r-*", "gs://b/rbt3/")
CALL = (
    "run_pretraining.py --flagfile=configs/recipes/rbt3.flags --input_file=gs://b/r-* "
    f"--output_dir=gs://b/rbt3 {TPU} --num_tpu_cores=8 --eval_batch_size=8"
)


def test_bash_can_read_it():
    subprocess.run(["bash", "-n", str(ROOT / "scripts" / "pretrain_tpu.sh")], check=True)


def test_one_phase(machine):
    status, error, calls = machine.run(["0 trained"], *RBT3, "--init_checkpoint=gs://b/c a")
    assert status == 0
    assert calls == [f"{CALL} --init_checkpoint=gs://b/c a"]
    assert "trained\n" in error
    assert error.endswith("finished\n")


def test_paths_on_the_machine_hold_in_another_folder(machine, tmp_path):
    status, _, calls = machine.run(["0"], "rbt3", "local", "records/r-*", f"{tmp_path}/rbt3")
    want = CALL.replace("gs://b/r-*", f"{tmp_path}/records/r-*").replace("gs://b", f"{tmp_path}")
    assert (status, calls) == (0, [want])


def test_machine_0_of_a_pod_trains(machine):
    pod = ("rbt3", "tpu-1", *RBT3[2:])
    status, error, calls = machine.run([], *pod, NUM_TPU_CORES="32", WORKER="3")
    assert (status, calls) == (0, [])
    assert error.endswith("machine 3 of tpu-1; machine 0 trains with it\n")
    status, _, calls = machine.run(["0"], *pod, NUM_TPU_CORES="32", WORKER="0")
    want = CALL.replace("=local", "=tpu-1").replace("cores=8", "cores=32")
    assert (status, calls) == (0, [want.replace("batch_size=8", "batch_size=32")])


def test_it_starts_again_until_it_ends_well(machine):
    plan = [
        "1 tensorflow.python.framework.errors_impl.UnavailableError: Socket closed",
        "1 run_pretraining.py: error: <urlopen error [Errno -2] Name or service not known>",
        "134 Aborted (core dumped)",
        "137 Killed",
        "0 trained",
    ]
    status, error, calls = machine.run(plan, *RBT3)
    assert (status, calls) == (0, [CALL] * 5)
    assert [
        error.count(f"ended with status {number}; starts again in 0.1 s")
        for number in (1, 134, 137)
    ] == [2, 1, 1]


@pytest.mark.parametrize(
    "words",
    [
        "run_pretraining.py: error: gs://b/r-*: no such file",
        "run_pretraining.py: error: step 13: the loss or its gradients are no finite numbers; the "
        "last good checkpoint is gs://b/rbt3/model.ckpt-10. A lower --learning_rate may help; "
        "--stop_on_nan=False passes such steps over",
        "FATAL Flags parsing error: Unknown command line flag 'lr'",
        "ModuleNotFoundError: No module named 'tensorflow'",
    ],
)
def test_a_wrong_command_is_not_tried_again(machine, words):
    status, error, calls = machine.run(["137 Killed", f"1 {words}", "0"], *RBT3)
    assert (status, calls) == (1, [CALL] * 2)
    assert words in error and "stops: the next attempt would end in the same way" in error


@pytest.mark.parametrize("ended", [130, 143])
def test_an_interrupted_run_is_left(machine, ended):
    status, error, calls = machine.run([f"{ended}", "0"], *RBT3)
    assert (status, calls) == (143, [CALL])
    assert error.endswith("interrupted; run the same command again to resume\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_the_run_and_ends_the_script(machine, number):
    process = machine.start(["wait", "0"], *RBT3)
    waits = machine.calls_file.with_suffix(".waits")
    for _ in range(500):
        if waits.exists():
            break
        time.sleep(0.02)
    process.send_signal(number)
    _, error = process.communicate(timeout=20)
    assert process.returncode == 143
    assert machine.calls() == [CALL]
    assert error.endswith("interrupted; run the same command again to resume\n")


def test_two_phases(machine):
    status, _, calls = machine.run(
        ["0", "137", "0"],
        "bert-wwm",
        "local",
        "gs://b/wwm-LENGTH.tfrecord-*",
        "gs://b/wwm",
        "--init_checkpoint=gs://b/bert",
    )
    first, *second = [
        f"run_pretraining.py --flagfile=configs/recipes/bert-wwm-{length}.flags "
        f"--input_file=gs://b/wwm-{length}.tfrecord-* --output_dir=gs://b/wwm-{length} {TPU} "
        f"--num_tpu_cores=8 --eval_batch_size=8 --init_checkpoint=gs://b/bert{more}"
        for length, more in (
            (128, ""),
            (512, " --init_checkpoint=gs://b/wwm-128"),
            (512, " --init_checkpoint=gs://b/wwm-128"),
        )
    ]
    assert (status, calls) == (0, [first, *second])


def test_the_second_phase_does_not_follow_a_wrong_first(machine):
    words = "1 run_pretraining.py: error: no"
    status, _, calls = machine.run([words, "0"], "bert-wwm", "local", "LENGTH", "gs://b/wwm")
    assert (status, len(calls)) == (1, 1)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((), "Usage: scripts/pretrain_tpu.sh RECIPE TPU_NAME INPUT OUTPUT"),
        (("rbt5", "local", "i", "o"), "configs/recipes has no rbt5; expected one of bert-wwm-128 "),
        (("bert-wwm", "local", "gs://b/r", "o"), "gs://b/r: names the records of one phase"),
        (("rbt3", "tpu-1", "gs://b/r", "/o"), "/o: is on a machine's own disk; expected a bucket"),
        (("rbt3", "tpu-1", "gs://b/r", "gs://b/o"), "this is not a machine of a TPU"),
    ],
)
def test_wrong_arguments_are_named(machine, arguments, message):
    status, error, calls = machine.run(["0"], *arguments)
    assert (status, calls) == (2, [])
    assert message in error
