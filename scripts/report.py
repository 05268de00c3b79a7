"""Compares results of fine-tuning with the published ones: tables as in the papers, and a plot.

Reads the results.json of run_classifier.py, run_squad.py and run_ner.py. The tables go to
report.md and to the terminal, all numbers to report.csv and report.json, the plot to report.png.
Without --input, it shows the published results. These, and the source of each, are in
configs/published_results.json.

Example:
  python scripts/report.py --input=outputs --output_dir=report
"""

import os

from absl import flags

from bert_wwm.cli import app
from bert_wwm.cli.steps import ROOT
from bert_wwm.core.errors import ConfigError

FLAGS = flags.FLAGS

flags.DEFINE_list(
    "input",
    [],
    "Own results: results.json files, folders that they are in or below, or globs of either, "
    "separated by commas.",
)
flags.DEFINE_string(
    "output_dir", None, "Where to write report.md, report.csv, report.json and report.png."
)
flags.DEFINE_list(
    "tasks", None, "Tasks to show, as cmrc2018,xnli; by default those of --input, else all."
)
flags.DEFINE_list("models", None, "Models whose published results to show; by default all.")
flags.DEFINE_bool("published", True, "Whether to show published results.")
flags.mark_flag_as_required("output_dir")


def main(_) -> None:
    from bert_wwm.report import results, results_files

    published = results.load_published(os.path.join(ROOT, "configs", "published_results.json"))
    own = [results.load_results(path) for path in results.find_results(FLAGS.input)]
    present = list(dict.fromkeys(found.task for found in own))
    known = list(dict.fromkeys([*published.tasks, *present]))
    tasks = FLAGS.tasks or present or known
    for task in tasks:
        if task not in known:
            raise ConfigError(
                f"--tasks: no results of {task!r}; expected some of {', '.join(known)}"
            )
    published = results.select(published, tasks, FLAGS.models)
    if not FLAGS.published:
        published = published._replace(results=[])
    own = [found for found in own if found.task in tasks]
    if not own and not published.results:
        raise ConfigError("nothing to report; expected --input, or --published")
    results_files.report(FLAGS.output_dir, published, own)


if __name__ == "__main__":
    app.run(main)
