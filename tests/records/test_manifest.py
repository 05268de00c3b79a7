import dataclasses
import json

import pytest

from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.core.shards import manifest_path
from bert_wwm.records.manifest import Manifest, check, read_packing

MANIFEST = Manifest(
    strategy="wwm",
    pairing="nsp",
    labels=[],
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
    run={"flag": {"random_seed": 1}},
)


def save(manifest, path):
    """Puts a manifest beside a file of records."""
    with open(manifest_path(str(path)), "w") as stream:
        json.dump(dataclasses.asdict(manifest), stream)


EXPECTED = {"max_seq_length": 128, "max_predictions_per_seq": 20, "vocab_size": 21128}


@pytest.fixture
def record(tmp_path):
    path = tmp_path / "a.tfrecord"
    path.write_bytes(b"data")
    save(MANIFEST, path)
    return str(path)


def test_it_is_read_as_it_was_written(record):
    assert Manifest.load(manifest_path(record)) == MANIFEST


def test_what_fits_passes(record):
    assert check([record], EXPECTED) == []
    full = {**EXPECTED, "vocab_sha256": "aa", "strategy": "wwm"}
    assert check([record], full) == []


@pytest.mark.parametrize(
    "change, have, want",
    [
        ({"max_seq_length": 512}, "max_seq_length = 128", "--max_seq_length is 512"),
        ({"max_predictions_per_seq": 76}, "per_seq = 20", "--max_predictions_per_seq is 76"),
        ({"vocab_size": 100}, "vocab_size = 21128", "vocab_size of --bert_config_file is 100"),
        ({"vocab_sha256": "bb"}, "vocab_sha256 = aa", "the SHA-256 of --vocab_file is bb"),
        ({"strategy": "piece"}, "strategy = wwm", "--masking_strategy is piece"),
        ({"do_lower_case": False}, "do_lower_case = True", "do_lower_case of the model, by its"),
    ],
)
def test_what_does_not_fit_is_refused_with_both_values(record, change, have, want):
    with pytest.raises(ConfigError) as error:
        check([record], {**EXPECTED, **change})
    assert have in str(error.value) and want in str(error.value)


def test_files_without_a_manifest_are_returned(tmp_path):
    (tmp_path / "b").write_bytes(b"")
    assert check([str(tmp_path / "b")], EXPECTED) == [str(tmp_path / "b")]


def test_a_file_of_another_size_is_refused(record, tmp_path):
    (tmp_path / "a.tfrecord").write_bytes(b"dat")
    with pytest.raises(DataError, match="has 3 bytes, but its manifest says 4"):
        check([record], EXPECTED)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"strategy": "piece"}, "strategy = piece, those of .* with wwm"),
        ({"pairing": "single"}, "pairing = single, those of .* with nsp"),
        ({"labels": ["pos_labels"]}, r"labels = \['pos_labels'\], those of .* with \[\]"),
        ({"vocab_sha256": "bb"}, "vocab_sha256 = bb, those of .* with aa"),
        ({"do_lower_case": False}, "do_lower_case = False, those of .* with True"),
        ({"tokenizer": "hfl"}, "tokenizer = hfl, those of .* with google"),
        ({"max_instances_per_seq": 8}, "max_instances_per_seq = 8, those of .* with 1"),
    ],
)
def test_files_of_one_run_are_of_one_kind(record, tmp_path, change, message):
    other = tmp_path / "b.tfrecord"
    other.write_bytes(b"")
    same = dataclasses.replace(MANIFEST, files={"b.tfrecord": {"records": 0, "bytes": 0}})
    save(same, other)
    assert check([record, str(other)], EXPECTED) == []
    save(dataclasses.replace(same, **change), other)
    with pytest.raises(ConfigError, match=message):
        check([record, str(other)], EXPECTED)


UNKNOWN = "strategy pairing vocab_size vocab_sha256 do_lower_case tokenizer segmenter".split()
OF_UNKNOWN_ORIGIN = dataclasses.replace(MANIFEST, **dict.fromkeys(UNKNOWN))


def test_facts_that_are_not_known_fit_all(tmp_path):
    """Those of records that were packed of ones without a manifest."""
    paths = [tmp_path / name for name in "abc"]
    for path, manifest in zip(paths, (OF_UNKNOWN_ORIGIN, MANIFEST, MANIFEST)):
        path.write_bytes(b"data")
        save(dataclasses.replace(manifest, files={path.name: {"records": 1, "bytes": 4}}), path)
    names = [str(path) for path in paths]
    assert Manifest.load(manifest_path(names[0])).pairing is None
    assert check(names, {**EXPECTED, "vocab_sha256": "aa", "do_lower_case": True}) == []
    with pytest.raises(ConfigError, match="max_seq_length = 128"):
        check(names[:1], {**EXPECTED, "max_seq_length": 64})
    other = {"files": {"c": {"records": 1, "bytes": 4}}, "pairing": "sop"}
    save(dataclasses.replace(MANIFEST, **other), paths[2])
    with pytest.raises(
        ConfigError, match=r"c\.json: .* pairing = sop, those of \S+b\.json with nsp"
    ):
        check(names, EXPECTED)


def packed(folder, name, instances, rows, most=8):
    """Saves the manifest of packed records; returns their path."""
    counts = {"instances": instances, "rows": rows}
    path = folder / name
    save(dataclasses.replace(MANIFEST, counts=counts, max_instances_per_seq=most), path)
    return str(path)


def test_the_packing_is_that_of_all_manifests(record, tmp_path):
    assert read_packing([record, str(tmp_path / "without")]) == (1, 1.0)
    first = packed(tmp_path, "x", 300, 100)
    assert read_packing([first]) == (8, 3.0)
    second = [packed(tmp_path, f"y-0000{n}-of-00002", 100, 100) for n in (0, 1)]
    assert read_packing([first, *second]) == (8, 2.0)  # a manifest of two files counts once


@pytest.mark.parametrize("instances, rows", [(None, 1), (3, None), (3, 0), (0, 0), (True, 1)])
def test_packed_records_need_their_counts(tmp_path, instances, rows):
    with pytest.raises(DataError, match=r"manifest of packed records \(counts are broken\)"):
        read_packing([packed(tmp_path, "x", instances, rows)])


def test_another_vocabulary_is_refused():
    MANIFEST.check_vocabulary("a", "aa")
    OF_UNKNOWN_ORIGIN.check_vocabulary("a", "bb")
    with pytest.raises(ConfigError, match="SHA-256 aa, but --vocab_file has bb"):
        MANIFEST.check_vocabulary("a", "bb")


def test_a_file_that_the_manifest_does_not_list_is_refused(tmp_path):
    shard = tmp_path / "a.tfrecord-00001-of-00002"
    shard.write_bytes(b"data")
    save(MANIFEST, shard)
    with pytest.raises(ConfigError, match=r"00001-of-00002: is not among the files that .* lists"):
        check([str(shard)], EXPECTED)


@pytest.mark.parametrize("value", [None, -1, 1.0, True, "1"], ids=repr)
@pytest.mark.parametrize("name", ["records", "bytes"])
def test_a_file_has_whole_numbers(tmp_path, name, value):
    entry = {**MANIFEST.files["a.tfrecord"], name: value}
    save(dataclasses.replace(MANIFEST, files={"a.tfrecord": entry}), tmp_path / "a.tfrecord")
    with pytest.raises(DataError, match=r"not a manifest of records \(files: 'a.tfrecord' is"):
        Manifest.load(manifest_path(str(tmp_path / "a.tfrecord")))


NOT_KNOWN = [(None, name) for name in UNKNOWN]
NO_FILES = json.dumps({**dataclasses.asdict(MANIFEST), "files": None})


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(MANIFEST)])
@pytest.mark.parametrize("value", [None, True, -1.5, "x", [], {}, {"a": 1}], ids=repr)
def test_a_field_of_another_type_is_named(tmp_path, name, value):
    path = tmp_path / "manifest.a.json"
    values = dataclasses.asdict(MANIFEST)
    path.write_text(json.dumps({**values, name: value}))
    if (type(value) is type(values[name]) and name != "files") or (value, name) in NOT_KNOWN:
        Manifest.load(str(path))
    elif name != "format" and value != {}:
        with pytest.raises(DataError, match=rf"not a manifest of records \(({name}|files: 'a' is)"):
            Manifest.load(str(path))


@pytest.mark.parametrize("text", ["", "[]", "1", "null", "{}", '{"format": 2}', "{", NO_FILES])
def test_a_broken_manifest_is_named(tmp_path, text):
    path = tmp_path / "manifest.a.json"
    path.write_text(text)
    with pytest.raises(
        DataError, match=r"manifest\.a\.json:(1: broken at| a JSON| not a manifest)"
    ):
        Manifest.load(str(path))


@pytest.mark.parametrize("text", ['{"format": 1}', '{"format": 3, "new": 1}'])
def test_a_manifest_of_another_format_is_refused(tmp_path, text):
    path = tmp_path / "manifest.a.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"has format [13]; expected format 2"):
        Manifest.load(str(path))
