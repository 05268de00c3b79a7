import itertools
import json
import os
import pathlib
import subprocess
import sys

import pytest

from bert_wwm.compat import tf
from bert_wwm.core import files
from bert_wwm.core.errors import DataError
from bert_wwm.core.shards import base_name, manifest_path, shard_paths
from bert_wwm.records import order
from bert_wwm.records.framing import frame
from bert_wwm.records.order import count_all_records, ordered_records

ROOT = pathlib.Path(__file__).resolve().parents[2]

# A run of plain files and one of compressed ones, 19 files in all: three sections of at most 7.
SIZES = [5, 1, 0, 9, 3, 3, 6], [4, 0, 7, 1, 1, 10, 2, 3, 0, 1, 2, 4]
OWNERS = [number for number, size in enumerate([*SIZES[0], *SIZES[1]]) for _ in range(size)]
TOTAL = len(OWNERS)


def write(folder, sizes=SIZES):
    """Files of numbered records; of each run the plain or the compressed files."""
    paths, number = [], 0
    for name, run, compress in zip("ab", sizes, (bytes, files.compress)):
        for path, size in zip(shard_paths(str(folder / name), len(run)), run):
            framed = b"".join(frame(b"%d" % each) for each in range(number, number + size))
            pathlib.Path(path).write_bytes(framed and compress(framed))
            paths.append(path)
            number += size
    return paths


def read(paths, seed, first_record, count, counts=None, graph_seed=None):
    """The numbers of the records that stand at ``first_record`` and behind it."""
    counts = counts or dict(zip(paths, count_all_records(paths)))
    with tf.Graph().as_default() as graph, tf.Session() as session:
        tf.set_random_seed(graph_seed)
        dataset = ordered_records(paths, seed, first_record, counts).batch(count)
        numbers = session.run(tf.data.make_one_shot_iterator(dataset).get_next())
        assert graph.seed == graph_seed
        return [int(number) for number in numbers]


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return write(tmp_path_factory.mktemp("records"))


def borders(epoch):
    """Where no file has records both in front and behind."""
    owners = [OWNERS[number] for number in epoch]
    return [place for place in range(TOTAL + 1) if not set(owners[:place]) & set(owners[place:])]


@pytest.mark.slow
@pytest.mark.parametrize("buffer", [pytest.param(100, marks=pytest.mark.long), 8])
def test_it_can_be_entered_anywhere(paths, buffer, monkeypatch):
    monkeypatch.setattr(order, "_SHUFFLE_RECORDS", buffer)
    whole = read(paths, 7, 0, 4 * TOTAL)
    places = {1, 30, 3 * TOTAL + 31}
    for border in borders(whole[TOTAL : 2 * TOTAL]):
        places |= {TOTAL + border - 1, TOTAL + border}
    assert len(places) >= 10
    for first in places:
        assert read(paths, 7, first, 4 * TOTAL - first) == whole[first:], first


@pytest.mark.slow
def test_an_epoch_holds_every_record_once_and_is_like_no_other(paths):
    whole = read(paths, 7, 0, 4 * TOTAL)
    epochs = [whole[start : start + TOTAL] for start in range(0, len(whole), TOTAL)]
    epochs += [read(paths, seed, 0, TOTAL) for seed in (0, 8, -7, 2**40)]
    for number, epoch in enumerate(epochs):
        assert sorted(epoch) == list(range(TOTAL))
        assert epoch not in epochs[:number]


def test_an_epoch_is_made_of_sections_of_a_few_files_in_random_order(paths):
    epoch = read(paths, 7, 0, TOTAL)
    places = borders(epoch)
    sections = [{OWNERS[n] for n in epoch[start:end]} for start, end in itertools.pairwise(places)]
    assert len(sections) >= 3
    assert all(len(section) <= 7 for section in sections)
    highest = [max(section) for section in sections]
    assert highest != sorted(highest)


def test_a_section_is_interleaved_and_shuffled(tmp_path, monkeypatch):
    paths = write(tmp_path, ([200] * 4, [200] * 4))
    monkeypatch.setattr(order, "_SHUFFLE_RECORDS", 200)
    start = read(paths, 7, 0, 200)
    assert {number // 200 for number in start} == set(range(8))
    assert start != sorted(start)


@pytest.mark.slow
def test_it_hangs_on_the_files_and_the_seed_alone(paths):
    expected = read(paths, 7, 0, 2 * TOTAL)
    assert read(paths, 7, 0, 2 * TOTAL, graph_seed=3) == expected
    code = (
        "import json, sys; from bert_wwm.compat import tf; tf.disable_v2_behavior(); "
        "from test_order import read; "
        "print(json.dumps(read(json.loads(sys.argv[1]), 7, 10, int(sys.argv[2]))))"
    )
    folders = os.pathsep.join([str(ROOT), os.path.dirname(__file__)])
    environment = {**os.environ, "PYTHONPATH": folders}
    arguments = [sys.executable, "-c", code, json.dumps(paths), str(TOTAL)]
    printed = subprocess.run(arguments, env=environment, check=True, stdout=subprocess.PIPE).stdout
    assert json.loads(printed) == expected[10 : 10 + TOTAL]


def test_one_file_is_enough(tmp_path):
    paths = write(tmp_path, ([1], []))
    assert read(paths, 7, 0, 3) == read(paths, 7, 10**12, 3) == [0, 0, 0]


def test_without_a_record_there_is_no_stream(tmp_path):
    paths = write(tmp_path, ([0, 0], [0]))
    pathlib.Path(paths[2]).write_bytes(files.compress(b""))
    with pytest.raises(DataError, match=r"a-00000-of-00002, .*: no record; expected files that"):
        ordered_records(paths, 7, 0, {})


def test_what_is_in_front_is_never_read(tmp_path):
    paths = write(tmp_path, ([10] * 16, []))
    front = {number // 10 for number in read(paths, 7, 0, 80)}
    assert len(front) == 8
    rest = read(paths, 7, 100, 60)
    counts = dict.fromkeys(paths, 10)
    for number in front - {0}:  # the first file tells that there is a record at all
        pathlib.Path(paths[number]).write_bytes(b"broken")
    assert read(paths, 7, 100, 60, counts) == rest


def test_manifests_tell_the_counts_and_where_there_is_none_they_are_counted(paths, tmp_path):
    assert count_all_records(paths) == [*SIZES[0], *SIZES[1]]
    described = write(tmp_path, ([2, 3], [4]))
    manifest = {
        **dict.fromkeys(("strategy", "pairing", "vocab_sha256", "tokenizer"), ""),
        **dict.fromkeys(("max_seq_length", "max_predictions_per_seq", "vocab_size"), 1),
        **{name: {} for name in ("segmenter", "flags", "counts", "run")},
        "labels": [],
        "do_lower_case": True,
        "files": {base_name(described[0]): {"records": 70, "bytes": 1}},
    }
    pathlib.Path(manifest_path(described[0])).write_text(json.dumps(manifest))
    assert count_all_records(described) == [70, 3, 4]
