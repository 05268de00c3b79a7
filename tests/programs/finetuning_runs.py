"""Toy tasks, and what runs the programs that fine-tune on them."""

import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import time
from typing import Dict, List, NamedTuple, Tuple

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SERVER = pathlib.Path(__file__).resolve().parent / "fork_server.py"

CHARACTERS = "使用语言模型来预测下一个词的概率我们在学习年今天气很不"
GOOD, BAD = "好", "错"


class Done(NamedTuple):
    """What became of a program: its status (negative: the signal that ended it), and its words."""

    status: int
    stdout: str
    stderr: str


class Programs:
    """Runs programs, without their waiting for TensorFlow each."""

    def __init__(self, folder: pathlib.Path):
        self._folder = folder
        self._server = subprocess.Popen(
            [sys.executable, str(SERVER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    def run(self, program: str, *flags: str, kill=signal.SIGKILL, kill_at: str = "") -> Done:
        """Runs a program; ends it by a signal once its output matches a pattern, if any."""
        out, err = self._folder / "stdout", self._folder / "stderr"
        out.write_text("")
        argv = [str(ROOT / program), *map(str, flags)]
        request = {"argv": argv, "stdout": str(out), "stderr": str(err)}
        print(json.dumps(request), file=self._server.stdin, flush=True)
        process = int(self._server.stdout.readline())
        until = time.monotonic() + 300
        while kill_at and time.monotonic() < until:
            if re.search(kill_at, out.read_text(encoding="utf-8", errors="replace")):
                os.kill(process, kill)
                break
            time.sleep(0.01)
        status = int(self._server.stdout.readline())
        return Done(status, out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8"))

    def good(self, program: str, *flags: str) -> str:
        """Runs a program that should succeed; returns what it prints."""
        done = self.run(program, *flags)
        assert done.status == 0, done.stdout + done.stderr
        return done.stdout

    def error(self, program: str, *flags: str) -> str:
        """Runs a program that should refuse; returns the sentence it says."""
        done = self.run(program, *flags)
        assert done.status == 1 and "Traceback" not in done.stderr, done.stdout + done.stderr
        lines = [line for line in done.stderr.splitlines() if ": error: " in line]
        assert len(lines) == 1, done.stderr
        return lines[0].partition(": error: ")[2]

    def close(self) -> None:
        self._server.stdin.close()
        self._server.wait(timeout=60)


def sentence(rng: random.Random, length: int = 12) -> List[str]:
    return [rng.choice(CHARACTERS) for _ in range(rng.randint(3, length))]


def reviews(count: int, seed: int) -> List[Tuple[str, str]]:
    """Texts and labels: what holds GOOD is 1, what holds BAD is 0."""
    rng = random.Random(seed)
    found = []
    for number in range(count):
        text = sentence(rng)
        for _ in range(3):
            text.insert(rng.randint(0, len(text)), (BAD, GOOD)[number % 2])
        found.append(("".join(text), str(number % 2)))
    return found


def chnsenticorp(rows: List[Tuple[str, str]]) -> str:
    return "label\ttext_a\n" + "".join(f"{label}\t{text}\n" for text, label in rows)


def entities(count: int, seed: int) -> str:
    """Lines of a character and its tag; 中国 is a LOC, 人民 a PER."""
    rng = random.Random(seed)
    lines: List[str] = []
    for _ in range(count):
        names = [["中 B-LOC", "国 I-LOC"], ["人 B-PER", "民 I-PER"]]
        rng.shuffle(names)
        for name in names:
            lines += [f"{character} O" for character in sentence(rng, 6)] + name
        lines.append("")
    return "\n".join(lines) + "\n"


def questions(count: int, seed: int, impossible: bool = False, answers: bool = True) -> str:
    """SQuAD's JSON; the answer is 中国人民, each third is impossible if asked for."""
    rng = random.Random(seed)
    paragraphs = []
    for number in range(count):
        text = sentence(rng, 40)
        place = rng.randint(0, len(text))
        none = impossible and number % 3 == 0
        if not none:
            text[place:place] = list("中国人民")
        qa: Dict[str, object] = {"id": f"问-{seed}-{number}", "question": "我们在学习什么"}
        if answers:
            qa["answers"] = [] if none else [{"text": "中国人民", "answer_start": place}]
        if impossible:
            qa["is_impossible"] = none
        paragraphs.append({"context": "".join(text), "qas": [qa]})
    return json.dumps({"data": [{"title": "a", "paragraphs": paragraphs}]}, ensure_ascii=False)


def weights(checkpoint: pathlib.Path) -> Dict[str, bytes]:
    """The bytes of all variables of a checkpoint, the optimizer's too."""
    from bert_wwm.compat import tf

    reader = tf.train.load_checkpoint(str(checkpoint))
    return {name: reader.get_tensor(name).tobytes() for name in reader.get_variable_to_shape_map()}


def scalars(folder: pathlib.Path, name: str) -> List[float]:
    """What TensorBoard shows of a training."""
    from bert_wwm.report.curves import read_scalars

    return [value for _, value in read_scalars(str(folder))[name]]
