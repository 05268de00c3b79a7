"""The table of tasks, as users see it."""

import launcher

from bert_wwm.tasks.kinds import KINDS
from bert_wwm.tasks.table import TASKS

PROGRAM = "scripts/list_tasks.py"


def test_markdown_has_a_line_for_each_task():
    table = launcher.output(PROGRAM, "--markdown")
    header, rule, *lines = [line[2:-2].split(" | ") for line in table.splitlines()]
    assert set(rule) == {"---"}
    assert all(len(line) == len(header) == len(rule) for line in lines)
    rows = {line[0]: dict(zip(header, line)) for line in lines}
    assert sorted(rows) == sorted([*TASKS.names(), "tsv"])
    assert [row["program"] for row in rows.values()] == [
        *(
            KINDS[kind].program
            for kind in KINDS.names()
            for name in TASKS.names()
            if TASKS[name].kind == kind
        ),
        "run_classifier.py",
    ]
    assert rows["chnsenticorp"] == {
        "name": "chnsenticorp",
        "task": "ChnSentiCorp",
        "program": "run_classifier.py",
        "scores": "accuracy",
        "tokens": "256",
        "batch": "64",
        "epochs": "3",
        "rate": "2e-5",
        "small models": "1e-4, 5 epochs",
        "files": "train.tsv, dev.tsv, test.tsv",
        "settings from": TASKS["chnsenticorp"].source,
    }
    assert rows["ocnli"]["small models"] == "5e-5, 5 epochs"
    assert rows["cmrc2018"]["program"] == "run_squad.py"
    assert rows["cmrc2018"]["scores"].startswith("average, ")
    assert rows["msra_ner"]["program"] == "run_ner.py"
    assert rows["msra_ner"]["scores"].startswith("f1, ")


def test_the_table_of_the_readme_is_the_same():
    readme = (launcher.ROOT / "README.md").read_text(encoding="utf-8")
    start = readme.index("| name | task | program |")
    shown = [line[2:-2].split(" | ") for line in readme[start:].partition("\n\n")[0].splitlines()]
    rows = [line[2:-2].split(" | ") for line in launcher.output(PROGRAM, "--markdown").splitlines()]
    columns = [rows[0].index(name) for name in shown[0]]
    assert shown == [[row[column] for column in columns] for row in rows]


def test_plain_table_is_aligned():
    lines = launcher.output(PROGRAM).splitlines()
    assert len(lines) == 2 + len(TASKS.names())
    place = lines[0].index("program")
    assert all(line[place:].startswith("run_") for line in lines[1:])
    assert all(line[place - 2 : place] == "  " for line in lines)


def test_what_is_no_flag_is_refused():
    error = launcher.run(PROGRAM, "all", status=1).stderr
    assert "unexpected argument 'all'" in error
