import dataclasses
import json
import types

import pytest

from bert_wwm.core import files
from bert_wwm.core.errors import DataError
from bert_wwm.core.shards import manifest_path
from bert_wwm.report.provenance import Provenance, choose_segmenter
from bert_wwm.segmentation import ltp


@pytest.mark.parametrize(
    "segmenter, expected",
    [
        ({"name": "ltp", "model": "m", "sha256": "a"}, ("ltp", "m")),
        ({"name": "rjieba", "version": "1"}, ("rjieba", ltp.DEFAULT_MODEL)),
        ({"name": "presegmented"}, ("characters", ltp.DEFAULT_MODEL)),
        ({"name": "presegmented", "by": {"name": "ltp", "model": "m"}}, ("ltp", "m")),
        (
            {"name": "presegmented", "by": {"name": "presegmented"}},
            ("characters", ltp.DEFAULT_MODEL),
        ),
    ],
)
def test_what_can_find_the_words_anew(segmenter, expected):
    assert choose_segmenter(types.SimpleNamespace(segmenter=segmenter)) == expected


def test_without_a_manifest_words_are_characters():
    assert choose_segmenter(None) == ("characters", ltp.DEFAULT_MODEL)


def test_shards_share_a_manifest_and_runs_are_added_up(tmp_path, manifest):
    shards = {f"a-0000{n}-of-00002": {"records": 5, "bytes": 1} for n in range(2)}
    for name, values in {
        "a": {"files": shards},
        "b": {"files": {"b": {"records": 10, "bytes": 1}}, "strategy": "ngram"},
    }.items():
        content = dataclasses.asdict(dataclasses.replace(manifest, **values))
        files.write_text(manifest_path(str(tmp_path / name)), json.dumps(content))
    first, second, other, bare = (
        str(tmp_path / name) for name in ("a-00000-of-00002", "a-00001-of-00002", "b", "c")
    )
    assert len(Provenance.of([first, second]).manifests) == 1
    assert Provenance.of([first, second]).counts().instances == 10
    assert Provenance.of([first, second]).is_whole_run()
    assert not Provenance.of([first]).is_whole_run()

    both = Provenance.of([first, second, other])
    assert (both.counts().instances, both.values("strategy")) == (20, ["wwm", "ngram"])
    assert both.facts()["Strategy"] == "wwm, ngram"
    assert both.facts()["Files"].startswith("3: ")

    mixed = Provenance.of([first, bare])
    assert mixed.counts() is None
    assert mixed.manifest_of(bare) is None
    assert mixed.facts()["Without a manifest"] == "1 of 2 file(s)"
    assert "Records" not in mixed.facts()


@pytest.mark.parametrize(
    "counts",
    [
        {"instances": "5"},
        {"instances": None},
        {"instances": True},
        {"unknown": {"a": "1"}},
        {"unknown": [1]},
        {"ngrams": {"a": 1}},
        {"kinds": {"erased": 1}},
        {"new": 1},
    ],
    ids=str,
)
def test_broken_counts_are_told(tmp_path, manifest, counts):
    path = str(tmp_path / "a")
    content = dataclasses.asdict(dataclasses.replace(manifest, counts=counts))
    files.write_text(manifest_path(path), json.dumps(content))
    message = f"{manifest_path(path)}: not a manifest of records \\(counts: {next(iter(counts))} is"
    with pytest.raises(DataError, match=message):
        Provenance.of([path]).counts()
