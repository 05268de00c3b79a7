"""Sets the results of fine-tuning beside the published ones: tables as in the papers, and a plot.

Reads the results.json of run_classifier.py, run_squad.py and run_ner.py. The tables go to
report.md and to the terminal, all numbers to report.json, the plot to report.png. Without --input,
it shows what is published. The published results, and where each is from, are in
configs/published_results.json.

Example:
  python scripts/report.py --input=outputs --output_dir=report
"""

import os
import pathlib

from absl import flags

from bert_wwm.cli import app
from bert_wwm.core import files, input_files
from bert_wwm.core.errors import ConfigError
from bert_wwm.core.json_files import format_json

FLAGS = flags.FLAGS
PUBLISHED = pathlib.Path(__file__).resolve().parent.parent / "configs" / "published_results.json"

flags.DEFINE_list(
    "input",
    [],
    "Own results: results.json files, folders that they are in or below, or globs of either, "
    "parted by commas.",
)
flags.DEFINE_string("output_dir", None, "Where to write report.md, report.json and report.png.")
flags.DEFINE_list(
    "tasks", None, "Tasks to show, as cmrc2018,xnli; by default those of --input, else all."
)
flags.DEFINE_list("models", None, "Models whose published results to show; by default all.")
flags.DEFINE_bool("published", True, "Whether to show published results.")
flags.mark_flag_as_required("output_dir")


def main(_) -> None:
    from bert_wwm.report import results, results_plot, results_table

    published = results.load_published(str(PUBLISHED))
    own = [results.load_results(path) for path in results.find_results(FLAGS.input)]
    tasks = chosen_tasks(published, own)
    published = results.select(published, tasks, FLAGS.models)
    if not FLAGS.published:
        published = published._replace(results=[])
    own = [of_model for of_model in own if of_model.task in tasks]
    if not own and not published.results:
        raise ConfigError("nothing to report; expected --input, or --published")

    text = results_table.render_markdown(results_table.make_tables(published, own))
    print(text, end="")
    input_files.check_unchanged()
    write("report.md", text.encode("utf-8", "backslashreplace"))
    of_papers = results.records(published.results)
    keys = {record["source"] for record in of_papers}
    numbers = {
        "own": results.records(own),
        "published": of_papers,
        "sources": {
            key: published.sources[key]._asdict() for key in published.sources if key in keys
        },
    }
    write("report.json", format_json(numbers).encode("utf-8", "backslashreplace"))
    write("report.png", results_plot.draw_results(published, own))
    print(f"\nWrote {FLAGS.output_dir}: report.md, report.json, report.png")


def chosen_tasks(published, own):
    """Returns the names of the tasks to show."""
    of_own = list(dict.fromkeys(of_model.task for of_model in own))
    known = list(dict.fromkeys([*published.tasks, *of_own]))
    for task in FLAGS.tasks or ():
        if task not in known:
            raise ConfigError(
                f"--tasks: no results of {task!r}; expected some of {', '.join(known)}"
            )
    return FLAGS.tasks or of_own or known


def write(name, content) -> None:
    """Writes a file of the report in one step."""
    files.write_bytes(os.path.join(FLAGS.output_dir, name), content)


if __name__ == "__main__":
    app.run(main)
