import dataclasses
import json

import pytest

from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.records.manifest import (
    Expectation,
    Manifest,
    check,
    find_records,
    manifest_path,
)

MANIFEST = Manifest(
    strategy="whole_word",
    max_seq_length=128,
    max_predictions_per_seq=20,
    vocab_size=21128,
    vocab_sha256="aa",
    do_lower_case=True,
    tokenizer="google",
    segmenter={"name": "ltp"},
    flags={},
    counts={},
    files={"a.tfrecord": {"records": 1, "bytes": 4}},
)
EXPECTED = Expectation(max_seq_length=128, max_predictions_per_seq=20, vocab_size=21128)


@pytest.fixture
def record(tmp_path):
    path = tmp_path / "a.tfrecord"
    path.write_bytes(b"data")
    MANIFEST.save(manifest_path(str(path)))
    return str(path)


def test_shards_share_a_manifest():
    assert manifest_path("x/wiki.tfrecord-00003-of-00064") == "x/wiki.tfrecord.manifest.json"
    assert manifest_path("x/wiki.tfrecord") == "x/wiki.tfrecord.manifest.json"


def test_it_is_read_as_it_was_written(record):
    assert Manifest.load(manifest_path(record)) == MANIFEST


def test_what_fits_passes(record):
    assert check([record], EXPECTED) == []
    full = dataclasses.replace(EXPECTED, vocab_sha256="aa", strategy="whole_word")
    assert check([record], full) == []


@pytest.mark.parametrize(
    "change, have, want",
    [
        ({"max_seq_length": 512}, "max_seq_length = 128", "--max_seq_length is 512"),
        ({"max_predictions_per_seq": 76}, "per_seq = 20", "--max_predictions_per_seq is 76"),
        ({"vocab_size": 100}, "vocab_size = 21128", "vocab_size of --bert_config_file is 100"),
        ({"vocab_sha256": "bb"}, "vocab_sha256 = aa", "the SHA-256 of --vocab_file is bb"),
        ({"strategy": "piece"}, "strategy = whole_word", "--masking_strategy is piece"),
    ],
)
def test_what_does_not_fit_is_refused_with_both_values(record, change, have, want):
    with pytest.raises(ConfigError) as error:
        check([record], dataclasses.replace(EXPECTED, **change))
    assert have in str(error.value) and want in str(error.value)


def test_files_without_a_manifest_are_returned(tmp_path):
    (tmp_path / "b").write_bytes(b"")
    assert check([str(tmp_path / "b")], EXPECTED) == [str(tmp_path / "b")]


def test_a_file_of_another_size_is_refused(record, tmp_path):
    (tmp_path / "a.tfrecord").write_bytes(b"dat")
    with pytest.raises(DataError, match="has 3 bytes, but its manifest says 4"):
        check([record], EXPECTED)


def test_files_of_one_run_are_of_one_kind(record, tmp_path):
    other = tmp_path / "b.tfrecord"
    other.write_bytes(b"")
    files = {"b.tfrecord": {"records": 0, "bytes": 0}}
    dataclasses.replace(MANIFEST, strategy="piece", files=files).save(manifest_path(str(other)))
    with pytest.raises(ConfigError, match=r"strategy = piece, those of .* with whole_word"):
        check([record, str(other)], EXPECTED)


def test_a_file_that_the_manifest_does_not_list_is_refused(tmp_path):
    shard = tmp_path / "a.tfrecord-00001-of-00002"
    shard.write_bytes(b"data")
    MANIFEST.save(manifest_path(str(shard)))
    with pytest.raises(ConfigError, match=r"00001-of-00002: is not among the files that .* lists"):
        check([str(shard)], EXPECTED)


def test_globs_leave_manifests_out(record, tmp_path):
    assert find_records([f"{record}*"]) == [record]
    with pytest.raises(DataError, match="names only manifests"):
        find_records([str(tmp_path / "*.json")])


NO_FILES = json.dumps({**dataclasses.asdict(MANIFEST), "files": None})


@pytest.mark.parametrize("text", ["", "[]", '{"format": 1}', "{", NO_FILES])
def test_a_broken_manifest_is_named(tmp_path, text):
    path = tmp_path / "a.manifest.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"a\.manifest\.json: not a manifest"):
        Manifest.load(str(path))


def test_a_manifest_of_another_format_is_refused(tmp_path):
    path = str(tmp_path / "a.manifest.json")
    dataclasses.replace(MANIFEST, format=2).save(path)
    with pytest.raises(DataError, match="has format 2; expected format 1"):
        Manifest.load(path)
