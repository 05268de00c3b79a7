"""Attacks the programs at random, and counts how they take it; for those who change the toolkit.

Four kinds of attack, each as often as its flag says:

  kills        SIGKILL, SIGTERM, SIGINT or SIGHUP at a random moment to a program that writes; run
               again, it has to end in the same bytes or weights, and no file with a final name may
               be half a file
  full_disks   the disk fills up; the program has to end with one sentence, and with space again in
               the same result. Root gets a small tmpfs; others a limit on the size of files
  pairs        two runs of a command at the same time: one is refused, or both end well
  mutations    random damage to files that the programs read, of each kind that many: TFRecords,
               state files, Hugging Face folders, LTP models

The table's last column is for what must not happen. Each such case is printed with the command that
repeats it, and makes the exit status 1; its folder stays.

Example:
  python tests/torture --kills=10 --full_disks=4 --pairs=4 --mutations=50
  python tests/torture --seed=7 --only=kills/run_squad.py/3
"""

import collections
import os
import pathlib
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from absl import flags

from bert_wwm.cli import app
from bert_wwm.core.errors import ConfigError
from bert_wwm.core.progress import Progress

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:1] = [str(TESTS.parent), str(TESTS), str(TESTS / "programs")]

from torture import disks, kills, mutations, pairs  # noqa: E402
from torture.bench import ELSE, VERDICTS, Bench, Outcome, rng_for  # noqa: E402
from torture.cases import CASES, Case  # noqa: E402

FLAGS = flags.FLAGS

flags.DEFINE_integer("kills", 200, "Runs to kill; each is killed up to three times.", lower_bound=0)
flags.DEFINE_integer("full_disks", 60, "Runs on a disk that fills up.", lower_bound=0)
flags.DEFINE_integer("pairs", 100, "Pairs of runs at the same time.", lower_bound=0)
flags.DEFINE_integer("mutations", 5000, "Damaged inputs of each kind.", lower_bound=0)
flags.DEFINE_integer("seed", None, "Of all that is random; by default another one each time.")
flags.DEFINE_list("programs", None, "Attack only programs whose names contain one of these.")
flags.DEFINE_string("only", None, "Repeat one attack, such as kills/run_squad.py/3.")

_PROGRAM_ATTACKS: dict[str, Callable[..., Outcome]] = {
    "kills": kills.attack,
    "full_disks": disks.attack,
    "pairs": pairs.attack,
}
_MUTATIONS = "mutations"
_RARE_EVERY = 6  # rounds of all programs


class Attack(NamedTuple):
    """One attack on a program."""

    kind: str
    case: Case
    number: int

    def __str__(self) -> str:
        return f"{self.kind}/{self.case.name}/{self.number}"


def main(_) -> None:
    seed = int.from_bytes(os.urandom(4), "big") if FLAGS.seed is None else FLAGS.seed
    print(f"seed {seed}", flush=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="torture-"))
    bench = Bench(folder)
    table: dict[str, Counter[str]] = collections.defaultdict(collections.Counter)
    for name, outcome in outcomes(bench, seed):
        row = name.rpartition("/")[0]
        table[row][outcome.verdict] += 1
        if outcome.verdict == ELSE:
            print(f"\n{name}: {outcome.note}", flush=True)
            print(f"  python tests/torture --seed={seed} --only='{name}'\n", flush=True)
    print_table(table)
    if any(counts[ELSE] for counts in table.values()):
        sys.exit(1)
    shutil.rmtree(folder)


def outcomes(bench: Bench, seed: int) -> Iterator:
    """Yields the name and the outcome of each attack."""
    chosen = [case for case in CASES if is_chosen(case.name)]
    for kind, attack in _PROGRAM_ATTACKS.items():
        attacks = list(draw_attacks(kind, chosen, FLAGS[kind].value))
        with Progress(kind, len(attacks)) as progress:
            for done, each in enumerate(attacks):
                progress.update(done, str(each))
                yield str(each), carry_out(bench, each, attack, seed)
    for kind in filter(is_chosen, mutations.KINDS):
        numbers = range(FLAGS.mutations)
        if FLAGS.only:
            wanted, of_kind, number = split_only()
            numbers = range(number, number + 1) if (wanted, of_kind) == (_MUTATIONS, kind) else []
        if not numbers:
            continue
        with Progress(f"{_MUTATIONS}/{kind}", len(numbers)) as progress:
            found = mutations.attack(bench, kind, seed, numbers)
            for done, (number, outcome) in enumerate(found):
                progress.update(done)
                yield f"{_MUTATIONS}/{kind}/{number}", outcome


def is_chosen(name: str) -> bool:
    return not FLAGS.programs or any(part in name for part in FLAGS.programs)


def split_only() -> tuple:
    """Returns the parts of --only: the kind of attack, what is attacked, and the number."""
    kind, _, rest = FLAGS.only.partition("/")
    name, _, number = rest.rpartition("/")
    known = {_MUTATIONS: mutations.KINDS, **dict.fromkeys(_PROGRAM_ATTACKS, names_of_cases())}
    if name not in known.get(kind, ()) or not number.isdecimal():
        raise ConfigError(
            f"--only={FLAGS.only}: unknown; expected a name that an earlier run has printed"
        )
    return kind, name, int(number)


def names_of_cases() -> list[str]:
    return [case.name for case in CASES]


def draw_attacks(kind: str, cases: list[Case], count: int) -> Iterator[Attack]:
    """Yields the attacks of a kind: on each program in turn, on slow ones less often."""
    if FLAGS.only:
        wanted, name, number = split_only()
        if wanted == kind:
            yield Attack(kind, CASES[names_of_cases().index(name)], number)
        return
    number = 0
    while count > 0 and cases:
        for case in cases:
            if count > 0 and not (case.is_rare and len(cases) > 1 and number % _RARE_EVERY):
                yield Attack(kind, case, number)
                count -= 1
        number += 1


def carry_out(bench: Bench, each: Attack, attack: Callable[..., Outcome], seed: int) -> Outcome:
    """Carries out an attack in a folder of its own, which stays where it goes wrong."""
    with bench.new_folder(str(each)) as folder:
        outcome = attack(bench, each.case, folder, rng_for(seed, str(each)))
        if outcome.verdict == ELSE:
            bench.keep(folder)
            command = bench.command(each.case, folder)
            return Outcome(ELSE, f"{outcome.note}\n  {command}")
    return outcome


def print_table(table: dict[str, Counter[str]]) -> None:
    """Prints how often each attack was carried out, and how it ended."""
    width = max(map(len, [*table, "all"]))
    print(f"\n{'attack':{width}}  {'count':>7}", *(f"  {verdict:>17}" for verdict in VERDICTS))
    for name, counts in {**table, "all": sum(table.values(), collections.Counter())}.items():
        cells = (f"  {counts[verdict]:17,}" for verdict in VERDICTS)
        print(f"{name:{width}}  {sum(counts.values()):7,}", *cells)


if __name__ == "__main__":
    app.run(main)
