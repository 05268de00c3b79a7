"""Two runs of one command at the same time: one after the other, or one of them is refused."""

import pathlib
import random
import time

from torture.bench import (
    ELSE,
    PATIENCE,
    SAME,
    SENTENCE,
    Bench,
    Outcome,
    end_session,
    is_one_sentence,
)
from torture.cases import Case


def attack(bench: Bench, case: Case, folder: pathlib.Path, rng: random.Random) -> Outcome:
    """Starts a program, and once more after a random part of the time that it takes."""
    delay = rng.choice([0.0, rng.random(), rng.random()]) * bench.reference(case).seconds
    first = bench.start(case, folder)
    time.sleep(delay)
    processes = [first, bench.start(case, folder)]
    ends = [process.result(PATIENCE) for process in processes]
    for process in processes:
        end_session(process)
    refused = [end for end in ends if end.returncode]
    shown = f"the second {delay:.2f} s after the first: "
    shown += " | ".join(f"status {end.returncode} {end.stderr[-1500:]}" for end in ends)
    if len(refused) == len(ends):
        return Outcome(ELSE, f"neither run ended well; {shown}")
    if not all(map(is_one_sentence, refused)):
        return Outcome(ELSE, shown)
    wrong = bench.describe_half_files(case, folder) or bench.compare(case, folder)
    if wrong:
        return Outcome(ELSE, f"{wrong}; {shown}")
    return Outcome(SENTENCE if refused else SAME)
