"""The files of a report on results: tables, all numbers, and a plot."""

import csv
import io
import os
from collections.abc import Sequence
from typing import Any

from bert_wwm.core import files, input_files
from bert_wwm.core.json_files import format_json
from bert_wwm.report.averages import make_average_tables
from bert_wwm.report.results import Published, Results
from bert_wwm.report.results_plot import draw_results
from bert_wwm.report.results_table import make_tables, render_markdown

_COLUMNS = "model task split metric max mean std num_runs source file".split()


def report(folder: str, published: Published, own: Sequence[Results]) -> None:
    """Prints the tables, and writes ``report.md``, ``report.csv``, ``report.json``, ``report.png``.

    Raises ConfigError if there is no matplotlib to draw the last of them.
    """
    tables = [*make_tables(published, own), *make_average_tables(published, own)]
    markdown = render_markdown(tables)
    print(markdown, end="")
    input_files.check_unchanged()
    ours, theirs = list_scores(own), list_scores(published.results)
    table = io.StringIO()
    writer = csv.DictWriter(table, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows([*ours, *theirs])
    keys = {row["source"] for row in theirs}
    sources = {key: s._asdict() for key, s in published.sources.items() if key in keys}
    numbers = {"own": ours, "published": theirs, "sources": sources}
    texts = {
        "report.md": markdown,
        "report.csv": table.getvalue(),
        "report.json": format_json(numbers),
    }
    for name, text in texts.items():
        files.write_text(os.path.join(folder, name), text)
    files.write_bytes(os.path.join(folder, "report.png"), draw_results(published, own))
    print(f"\nWrote {folder}: report.md, report.csv, report.json, report.png")


def list_scores(results: Sequence[Results]) -> list[dict[str, Any]]:
    """Returns a flat row for each model, task, split and metric."""
    rows = []
    for found in results:
        for (split, metric), score in found.scores.items():
            row: dict[str, Any] = {"model": found.model, "task": found.task, "split": split}
            row.update(metric=metric, max=score.max, mean=score.mean)
            if found.path:
                row.update(std=score.std, num_runs=found.num_runs, file=found.path)
            else:
                row["source"] = found.sources[split, metric]
            rows.append(row)
    return rows
