import functools
import io
import os
import random

import pytest

from bert_wwm.core import files
from bert_wwm.core.errors import ConfigError, ToolkitError
from bert_wwm.core.progress import Progress
from bert_wwm.core.shards import Shards, manifest_path, shard_paths
from bert_wwm.data import beam, local
from bert_wwm.data.counts import Counts
from bert_wwm.data.examples import ExampleMaker, ExampleSettings
from bert_wwm.data.local import BlockOutput, Written
from bert_wwm.data.maker import RecordMaker, deal_records
from bert_wwm.data.sources import TextSource, read_all
from bert_wwm.records.encoding import encode_examples
from bert_wwm.records.framing import frame
from bert_wwm.records.schema import pretraining_schema
from bert_wwm.segmentation.segmenters import make_segmenter
from bert_wwm.text.bulk import BulkTokenizer
from bert_wwm.text.tokenizer import Tokenizer
from bert_wwm.text.vocabulary import Vocabulary

RUN = {"flag": {"random_seed": 1}}
SOURCE = TextSource(make_segmenter("characters"))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Two files of several blocks each."""
    rng = random.Random(1)
    folder = tmp_path_factory.mktemp("corpus")
    for name, size in ("a.txt", 2800), ("b.txt", 1800):
        documents = [
            "".join(
                "".join(rng.choices("使用语言模型来预测下一个词", k=33)) + "\n" for _ in range(5)
            )
            for _ in range(size)
        ]
        (folder / name).write_text("\n".join(documents), encoding="utf-8")
    return [str(folder / "a.txt"), str(folder / "b.txt")]


@pytest.fixture
def small(tmp_path):
    """A file of one block."""
    path = tmp_path / "in" / "small.txt"
    path.parent.mkdir()
    path.write_text("我们在学习。\n今天天气很不错！\n\n使用语言模型。\n", encoding="utf-8")
    return [str(path)]


def work_of(vocab_file, num_shards, compress=bytes):
    vocabulary = Vocabulary.from_file(vocab_file)
    settings = ExampleSettings("wwm", "nsp", 64, 10, 0.15, 0.1, seed=1)
    schema = pretraining_schema(64, 10, True, [])
    maker = RecordMaker(
        SOURCE,
        BulkTokenizer(Tokenizer(vocabulary)),
        ExampleMaker(vocabulary, settings),
        2,
        functools.partial(encode_examples, schema=schema),
    )
    return functools.partial(deal_records, maker, num_shards, frame, compress)


def run_locally(work, inputs, paths):
    with Shards(paths, RUN) as shards:
        before = local.load_written(shards, len(paths))
        progress = Progress("records", 1, stream=io.StringIO())
        blocks = read_all(SOURCE, inputs)
        after = local.write_blocks(work, blocks, shards, before, 1, progress)
        shards.finish({}, [{"records": records} for records in after.records])
    return after


def run_by_beam(work, inputs, paths, num_workers=1, overwrite=False):
    output = beam.Output(paths, RUN, overwrite)
    pipeline = beam.make_pipeline("direct", num_workers, "")
    after = beam.write_blocks(work, SOURCE, inputs, output, pipeline)
    output.finish({}, [{"records": records} for records in after.records])
    return after


def contents(folder):
    """What is in a folder and below, by its name."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def compare_with_local(vocab_file, inputs, tmp_path, num_workers, num_shards=5, compress=bytes):
    work = work_of(vocab_file, num_shards, compress)
    folders = tmp_path / "local", tmp_path / "beam"
    paths = [shard_paths(str(folder / "out"), num_shards) for folder in folders]
    expected = run_locally(work, inputs, paths[0])
    assert run_by_beam(work, inputs, paths[1], num_workers) == expected
    assert contents(folders[0]) == contents(folders[1])  # and no other file is there
    return expected


@pytest.mark.slow
def test_files_and_counts_are_those_of_a_local_run(vocab_file, corpus, tmp_path):
    written = compare_with_local(vocab_file, corpus, tmp_path, 1)
    assert written.blocks > 4
    assert written.counts.documents == 4600
    assert sum(written.records) == written.counts.instances > 4000
    assert all(written.records)
    # A local run takes them for its own.
    with Shards(shard_paths(str(tmp_path / "beam" / "out"), 5), RUN) as shards:
        assert shards.finished


@pytest.mark.slow
def test_files_are_those_of_a_local_run_in_two_processes(vocab_file, corpus, tmp_path):
    compare_with_local(vocab_file, corpus, tmp_path, 2, compress=files.compress)


def test_a_shard_without_records_is_an_empty_file(vocab_file, small, tmp_path):
    written = compare_with_local(vocab_file, small, tmp_path, 1, num_shards=40)
    assert 0 in written.records


def test_files_of_any_names_have_a_manifest_each(vocab_file, small, tmp_path):
    paths = [str(tmp_path / name) for name in ("a", "b")]
    run_by_beam(work_of(vocab_file, 2), small, paths)
    for path in paths:
        assert os.path.getsize(path) and os.path.exists(manifest_path(path))


def test_what_is_there_is_replaced_on_request_only(vocab_file, small, tmp_path):
    folder = tmp_path / "out"
    many, few = (shard_paths(str(folder / "a"), number) for number in (3, 2))
    run_by_beam(work_of(vocab_file, 3), small, many)
    before = contents(folder)
    with pytest.raises(ConfigError, match=r"manifest.a.json: is there already; --overwrite"):
        run_by_beam(work_of(vocab_file, 2), small, few)
    assert contents(folder) == before
    run_by_beam(work_of(vocab_file, 2), small, few, overwrite=True)
    assert len(contents(folder)) == 3  # the shards of the earlier run are gone


def test_a_file_of_another_origin_or_a_broken_manifest_is_not_replaced_either(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"mine")
    with pytest.raises(ConfigError, match=r"/a: is there already"):
        beam.Output([str(path)], RUN)
    for broken in b"{", b"[]", b"\xff":
        (tmp_path / "manifest.b.json").write_bytes(broken)
        with pytest.raises(ConfigError, match=r"manifest.b.json: is there already"):
            beam.Output([str(tmp_path / "b")], RUN)


@pytest.mark.parametrize("num_workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_workers_error_is_one_sentence_and_nothing_is_replaced(
    vocab_file, small, tmp_path, num_workers, capfd
):
    folder = tmp_path / "out"
    paths = shard_paths(str(folder / "a"), 2)
    run_by_beam(work_of(vocab_file, 2), small, paths)
    before = contents(folder)
    bad = tmp_path / "bad.txt"
    bad.write_bytes("我们\n好".encode() + b"\xe5\xa5\n")
    with pytest.raises(ToolkitError) as raised:
        run_by_beam(work_of(vocab_file, 2), [str(bad)], paths, num_workers, overwrite=True)
    assert str(raised.value) == (
        f"{bad}:2: byte 0xe5 at column 4 is not UTF-8; expected UTF-8 text"
    )
    assert contents(folder) == before
    assert "Traceback" not in capfd.readouterr().err


def test_what_the_operating_system_refuses_is_one_sentence(vocab_file, small):
    with pytest.raises(ToolkitError, match=r"^\[Errno \d+\] [^\n]*/proc/nothing'$"):
        run_by_beam(work_of(vocab_file, 1), small, ["/proc/nothing/a"])


def test_a_bug_keeps_its_traceback(small, tmp_path):
    with pytest.raises(ZeroDivisionError):
        run_by_beam(lambda block: 1 // 0, small, [str(tmp_path / "out" / "a")])


def test_without_records_nothing_is_written_or_replaced(vocab_file, tmp_path):
    (tmp_path / "empty.txt").write_bytes(b"\n\n")
    (tmp_path / "out").mkdir()
    path = tmp_path / "out" / "a"
    path.write_bytes(b"mine")
    output = beam.Output([str(path)], RUN, overwrite=True)
    pipeline = beam.make_pipeline("direct", 1, "")
    work = work_of(vocab_file, 1)
    written = beam.write_blocks(work, SOURCE, [str(tmp_path / "empty.txt")], output, pipeline)
    assert (written.counts.documents, written.records) == (0, [0])
    assert contents(tmp_path / "out") == {"a": b"mine"}


def test_adding_up_leaves_the_parts_as_they_are():
    parts = [Written(1, size, [size, 1], Counts(documents=size)) for size in (3, 4)]
    assert beam._sum(2, parts) == Written(2, 7, [7, 2], Counts(documents=7))
    assert parts[0].counts.documents == 3
    assert beam._sum(2, []) == Written(0, 0, [0, 0], Counts())


def test_payloads_of_a_shard_are_put_in_order(tmp_path):
    path = str(tmp_path / "out" / "a")
    payloads = [
        ((run, number), f"{run}.{number} ".encode()) for run in (0, 10, 9) for number in (1, 0)
    ]
    beam._write(["", path], (1, iter(payloads)), None)
    assert files.read_bytes(path) == b"0.0 0.1 9.0 9.1 10.0 10.1 "
    assert os.listdir(tmp_path / "out") == ["a"]


def test_what_a_killed_worker_left_is_removed(tmp_path):
    (tmp_path / ".a.0123abcd.tmp").mkdir()
    (tmp_path / ".a.0123abcd.tmp" / "sorted").write_bytes(b"half")
    beam._write([str(tmp_path / "a")], (0, iter([((0, 0), b"x")])), None)
    assert os.listdir(tmp_path) == ["a"]


def test_an_empty_payload_goes_nowhere():
    made = ((0, 1), 9, BlockOutput([b"", b"x"], [0, 1], Counts()))
    assert list(beam._payloads(made)) == [(1, ((0, 1), b"x"))]


@pytest.mark.parametrize(
    "options, message",
    [
        ("--direct_num_workers=x", "--direct_num_workers: invalid int value: 'x'"),
        ("--region='x", "No closing quotation"),
    ],
)
def test_options_that_beam_cannot_read_are_named(options, message):
    with pytest.raises(ConfigError, match=message) as raised:
        beam.make_pipeline("direct", 1, options)
    assert "\n" not in str(raised.value)
