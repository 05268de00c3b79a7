"""Reproduces the tables of HFL's papers: fine-tunes models for all of their tasks, with ten seeds.

Each task and model is one run of run_classifier.py, run_squad.py or run_ner.py, with the published
settings and, where HFL gives one, the model's own learning rate. At the end it prints the results
next to the published ones, with averages and relative figures as in the tables of small models, and
writes report.md, report.csv, report.json and report.png. The output of each program is in
--output_dir/TASK/MODEL/log.txt.

Stopped or killed at any moment, the same command resumes. A task and model that fails does not stop
the others: it is reported at the end, with exit status 1, and the same command tries it again.

--data_dir has a folder for each task, called as in scripts/list_tasks.py, with the files that are
printed there. A model's name in the tables is that of its folder; folders of HFL's releases appear
below the published rows of the same model.

Example:
  python scripts/reproduce.py --models=models/rbt3,models/chinese_wwm_ext_L-12_H-768_A-12 \\
      --tasks=cmrc2018,xnli,lcqmc --data_dir=data --output_dir=tables --dry_run
"""

import os
import shlex

from absl import flags

from bert_wwm.cli import app, checkpoint_flags
from bert_wwm.cli.steps import ROOT
from bert_wwm.core.errors import ConfigError, ToolkitError
from bert_wwm.core.lock import locked
from bert_wwm.tasks.table import TASKS

FLAGS = flags.FLAGS

flags.DEFINE_list(
    "models",
    None,
    "Folders of models, separated by commas: each with bert_config.json, vocab.txt and "
    "bert_model.ckpt.*.",
)
flags.DEFINE_list("tasks", None, "Tasks, as cmrc2018,xnli; by default all of HFL's tables.")
flags.DEFINE_string("data_dir", "data", "Holds a folder for each task.")
flags.DEFINE_string("output_dir", None, "Where runs and tables go.")
flags.DEFINE_integer("num_runs", 10, "Seeds of each task and model.", lower_bound=1)
flags.DEFINE_string(
    "program_flags", "", "Further flags of all programs, as '--use_bfloat16 --use_xla'."
)
flags.DEFINE_bool(
    "dry_run", False, "Measure some steps of each task and model, and print the hours they take."
)
flags.DEFINE_bool("report_only", False, "Print and write the tables of what has finished so far.")
flags.mark_flags_as_required(["models", "output_dir"])


def main(_) -> None:
    from bert_wwm.report import cells, results

    checkpoint_flags.refuse_patterns("output_dir")
    published = results.load_published(os.path.join(ROOT, "configs", "published_results.json"))
    tasks = FLAGS.tasks or list(published.tasks)
    for task in tasks:
        TASKS[task]  # an unknown one is refused
    planned = cells.make_cells(
        ROOT,
        cells.find_models(FLAGS.models),
        cells.find_data(FLAGS.data_dir, tasks),
        published,
        FLAGS.output_dir,
        FLAGS.num_runs,
        shlex.split(FLAGS.program_flags),
    )
    if FLAGS.report_only:
        report(published, planned)
        return
    with locked(FLAGS.output_dir):
        if FLAGS.dry_run:
            estimate(planned)
        else:
            reproduce(published, planned)


def estimate(planned) -> None:
    from bert_wwm.report import cell_runs

    found, failures = {}, []
    with cell_runs.Runner() as runner:
        for number, cell in enumerate(planned, 1):
            print(f"Measuring {number} of {len(planned)}: {cell.title}", flush=True)
            measured = cell_runs.measure(cell, runner, os.path.join(FLAGS.output_dir, "dry_run"))
            if isinstance(measured, str):
                failures.append(f"{cell.title}: {measured}")
            else:
                found[cell.title] = measured
    if found:
        print("", *cell_runs.write_estimates(found), sep="\n")
    if failures:
        raise ToolkitError(f"could not be measured: {'; '.join(failures)}")


def reproduce(published, planned) -> None:
    from bert_wwm.report import cell_runs

    with cell_runs.Runner() as runner:
        failures = cell_runs.run_cells(planned, runner, lambda text: print(text, flush=True))
    if len(failures) < len(planned):
        report(published, planned)
    if failures:
        listed = "; ".join(f"{title}: {error}" for title, error in failures.items())
        raise ToolkitError(
            f"{len(failures)} of {len(planned)} failed; the same command tries them again: {listed}"
        )


def report(published, planned) -> None:
    """Prints and writes the tables of the results that there are."""
    from bert_wwm.report import results, results_files

    paths = [os.path.join(cell.folder, results.RESULTS_FILE) for cell in planned]
    own = [results.load_results(path) for path in paths if os.path.exists(path)]
    if not own:
        raise ConfigError(
            f"{FLAGS.output_dir}: no results yet; run the same command without --report_only"
        )
    published = results.select(published, list({found.task: None for found in own}), None)
    print()
    results_files.report(FLAGS.output_dir, published, own)


if __name__ == "__main__":
    app.run(main)
