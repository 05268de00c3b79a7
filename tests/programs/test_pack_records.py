"""The program that packs existing records, as users run it."""

import dataclasses
import glob
import json
import pathlib
import shutil

import launcher
import pytest
from packed_instances import count_instances, read_rows

from bert_wwm.core.shards import manifest_path
from bert_wwm.records.framing import frame, read_records
from bert_wwm.records.manifest import Manifest

PROGRAM = "scripts/pack_records.py"
FACTS = "strategy pairing vocab_size vocab_sha256 do_lower_case tokenizer segmenter".split()


@pytest.fixture
def flags(tmp_path):
    """Makes the flags of a run whose output is in a folder of the test's own."""
    return lambda inputs, output, *more: (
        PROGRAM,
        f"--input_file={inputs}",
        f"--output_file={tmp_path / output}",
        "--num_workers=1",
        *more,
    )


def load_manifest(path):
    return Manifest.load(manifest_path(str(path)))


def test_it_keeps_the_instances_and_what_is_known_of_them(flags, single_records, tmp_path):
    sampled = launcher.output(*flags(single_records, "out", "--dry_run"))
    assert not list(tmp_path.iterdir())
    printed = launcher.output(*flags(single_records, "out"))
    rows = read_rows([str(tmp_path / "out")])
    found = count_instances(rows)
    assert found == count_instances(read_rows([single_records]))
    manifest, single = load_manifest(tmp_path / "out"), load_manifest(single_records)
    assert manifest.counts == {**single.counts, "rows": len(rows)}
    assert (manifest.max_seq_length, manifest.max_predictions_per_seq) == (64, 10)
    assert manifest.max_instances_per_seq == 4
    for name in FACTS:
        assert getattr(manifest, name) == getattr(single, name) is not None
    assert f"\n  rows        {len(rows)}\n" in sampled
    assert "  instances  104\n" in printed
    assert (
        f"  rows       {len(rows)}, {104 / len(rows):.2f} instances each; 59.68 % full" in printed
    )
    assert "finished already" in launcher.output(*flags(single_records, "out"))


def test_instances_of_files_with_a_manifest_each_count_once(flags, single_records, tmp_path):
    """Of --output_file=a,b; each one's manifest has the counts of both."""
    framed = [frame(record) for record in read_records(single_records)]
    manifest = load_manifest(single_records)
    for name, half in (("a", framed[::2]), ("b", framed[1::2])):
        content = b"".join(half)
        (tmp_path / name).write_bytes(content)
        entry = {"records": len(half), "bytes": len(content)}
        described = dataclasses.replace(manifest, files={name: entry})
        text = json.dumps(dataclasses.asdict(described))
        pathlib.Path(manifest_path(str(tmp_path / name))).write_text(text)
    launcher.run(*flags(f"{tmp_path}/[ab]", "out"))
    packed = load_manifest(tmp_path / "out")
    assert packed.counts["instances"] == len(framed)
    assert packed.strategy == manifest.strategy


def test_records_without_a_manifest_can_be_trained_on(
    flags, single_records, pretrain, vocab_file, tmp_path
):
    for name in ("a", "b"):
        shutil.copy(single_records, tmp_path / name)
    for workers in (1, 2):
        more = ("--num_output_shards=2", f"--num_workers={workers}")
        launcher.run(*flags(f"{tmp_path}/[ab]", f"by-{workers}", *more))
    paths = [sorted(glob.glob(f"{tmp_path}/by-{workers}-*")) for workers in (1, 2)]
    for one, two in zip(*paths):
        assert pathlib.Path(one).read_bytes() == pathlib.Path(two).read_bytes()
    rows = read_rows(paths[0])
    assert count_instances(rows) == count_instances(2 * read_rows([single_records]))
    manifest, single = load_manifest(paths[0][0]), load_manifest(single_records)
    assert [getattr(manifest, name) for name in FACTS] == [None] * len(FACTS)
    for name in ("instances", "tokens", "predicted", "pairs_labelled_1"):
        assert manifest.counts[name] == 2 * single.counts[name]
    assert manifest.counts["rows"] == len(rows)
    printed = pretrain(
        tmp_path / "model",
        f"--input_file={tmp_path}/by-1-*",
        f"--vocab_file={vocab_file}",
        "--max_seq_length=64",
        "--max_predictions_per_seq=10",
        "--num_train_steps=2",
        "--do_train",
        "--do_eval",
        "--max_eval_steps=2",
        num_hidden_layers=1,
    ).stdout
    assert f" rows of {manifest.counts['instances'] / len(rows):.2f} on average\n" in printed
    assert "on at most 16 rows\n" in printed


def test_packed_records_are_refused(flags, packed_records, tmp_path):
    message = launcher.error(*flags(packed_records, "out"))
    assert (
        message
        == f"{packed_records[:-1]}0: is packed already; expected records of single instances"
    )
    assert not list(tmp_path.iterdir())
