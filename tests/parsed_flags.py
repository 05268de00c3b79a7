"""The values that a program's flags get from command lines."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence

import launcher

_PARSE = """
import json, runpy, sys
from absl import flags
program, *lines = json.load(sys.stdin)
runpy.run_path(program)
values = []
for line in lines:
    for name in flags.FLAGS:
        flags.FLAGS[name].unparse()
    flags.FLAGS([program, *line])
    values.append({name: flags.FLAGS[name].value for name in flags.FLAGS})
print(json.dumps(values, default=str))
"""


def parse(program: str, lines: Sequence[Sequence[str]]) -> list[dict[str, object]]:
    """The values of all flags of a program, by each line; an unknown flag or bad value raises."""
    printed = subprocess.check_output(
        [sys.executable, "-c", _PARSE],
        cwd=launcher.ROOT,
        env={**os.environ, **launcher.ENVIRONMENT},
        input=json.dumps([program, *lines]),
        text=True,
    )
    return json.loads(printed)
