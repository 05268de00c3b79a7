"""Imports point one way, and the pure layers stay pure."""

import ast
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "bert_wwm"

# A layer imports itself and those above it in this list; layers of one row don't know each other.
LAYERS = [
    ["core"],
    ["text"],
    ["segmentation"],
    ["corpus"],
    ["masking", "metrics"],
    ["data", "tasks"],
    ["compat"],
    ["records", "model"],
    ["train", "report", "convert"],
    ["finetuning"],
    ["estimate"],
    ["cli"],
]
PURE = ["core", "text", "segmentation", "corpus", "masking", "metrics", "data", "tasks"]
RANK = {name: rank for rank, row in enumerate(LAYERS) for name in row}


def imports(path: pathlib.Path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            if node.module == "bert_wwm":
                yield from (f"bert_wwm.{alias.name}" for alias in node.names)
            else:
                yield node.module


def modules():
    return [path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_arrows_point_one_way(path):
    layer = path.relative_to(PACKAGE).parts[0].replace(".py", "")
    roots = {file.stem for file in ROOT.glob("*.py")}
    for name in imports(path):
        first, *rest = name.split(".")
        assert first not in roots, f"the package imports {name} of the root"
        if path == PACKAGE / "core" / "remote.py" and rest == ["compat"]:
            continue  # only to reach buckets, when the first such path comes by
        if first == "bert_wwm" and rest[0] != layer:
            assert RANK[rest[0]] < RANK[layer], f"{layer} imports {name}"
        if first == "tensorflow":
            assert layer == "compat"
        if first == "absl":
            assert layer == "cli", "library code reads no flags"


PURE_MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in modules()
    if path.relative_to(PACKAGE).parts[0] in PURE and path.stem != "__init__"
]
PROGRAMS = [
    "create_pretraining_data_wwm",
    "run_pretraining",
    "convert_checkpoint",
    "estimate_tpu",
    "export_saved_model",
    "extract_features",
]


@pytest.mark.parametrize(
    "names",
    [PURE_MODULES, *([program] for program in PROGRAMS)],
    ids=["pure layers", *PROGRAMS],
)
def test_importing_does_without_tensorflow(names):
    code = (
        f"import importlib, sys; [importlib.import_module(name) for name in {names!r}]; "
        "heavy = {'tensorflow', 'torch', 'ltp', 'transformers'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_test_modules_have_names_of_their_own():
    """pytest imports them by these."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert len(names) == len(set(names))
