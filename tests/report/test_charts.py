import dataclasses

import pytest

from bert_wwm.core.shards import manifest_path
from bert_wwm.masking.corruption import Kind
from bert_wwm.report.charts import KIND_NAMES, draw_charts, name_pair_label, percent
from bert_wwm.report.provenance import Provenance
from bert_wwm.report.statistics import gather

TEXT = [["中", "国"], *([piece] for piece in "使用语言模型来预测")]


@pytest.fixture
def examples(make):
    return [
        make([TEXT, [["我"]]], {1: Kind.MASK, 2: Kind.KEPT}, pair_label=0),
        make([TEXT, [["[UNK]"]]], {1: Kind.MASK, 3: Kind.RANDOM}, pair_label=0),
    ]


def drawn(examples, *manifests):
    provenance = Provenance(["a"], {manifest_path(n): m for n, m in zip("ab", manifests)})
    return {chart.title: chart for chart in draw_charts(provenance, gather(examples))}


def shares(chart):
    return {bar.label: round(bar.share, 4) for bar in chart.bars}


def test_the_manifest_has_the_numbers_of_all_records(examples, manifest):
    found = drawn(examples, manifest)
    exact = [
        "Selected pieces",
        "Input at these places",
        "Units, in words",
        "Words, in pieces",
        "[UNK]",
    ]
    for title in [*exact, "Pairs of segments"]:
        assert found[title].scope == "all 10 records"
    assert shares(found["Selected pieces"]) == {"of all tokens": 0.15, "of the budget": 0.96}
    replaced = {"[MASK]": 0.75, "at random": 0.15, "unchanged": 0.1}
    assert shares(found["Input at these places"]) == replaced
    assert [bar.expected for bar in found["Input at these places"].bars] == [0.8, 0.1, 0.1]
    assert shares(found["Units, in words"]) == {"1": 0.6, "2": 0.4}
    assert shares(found["Words, in pieces"]) == {"1": 0.6, "2": 0.3, "3": 0, "4": 0, "5+": 0.1}
    assert shares(found["[UNK]"]) == {"of all pieces": 0.005}
    assert found["[UNK]"].chips == [("谤", 3), ("<", 2)]
    pairs = {"actual next segment": 0.6, "random next segment": 0.4}
    assert shares(found["Pairs of segments"]) == pairs


def test_part_of_a_run(examples, manifest):
    files = {name: {"records": 5, "bytes": 1} for name in "ab"}
    found = drawn(examples, dataclasses.replace(manifest, files=files))
    assert found["Words, in pieces"].scope == "all 10 records of the run"


def test_without_a_manifest_all_is_of_the_sample(examples):
    found = drawn(examples)
    assert {chart.scope for chart in found.values()} == {"a sample of 2 records"}
    assert shares(found["Selected pieces"]) == {"of all tokens": round(4 / 30, 4)}
    replaced = {"[MASK]": 0.5, "at random": 0.25, "unchanged": 0.25}
    assert shares(found["Input at these places"]) == replaced
    assert "Units, in words" not in found
    assert shares(found["Words, in pieces"]) == {"1": round(20 / 22, 4), "2": round(2 / 22, 4)}
    assert shares(found["[UNK]"]) == {"of all pieces": round(1 / 24, 4)}
    assert not found["[UNK]"].chips
    assert shares(found["Pairs of segments"]) == {"actual next segment": 1}


def test_fill_is_always_of_the_sample(examples, manifest):
    fill = drawn(examples, manifest)["Fill of the sequences"]
    assert fill.scope == "a sample of 2 records"
    assert shares(fill)["70–80 %"] == 1
    assert "75.0 %" in fill.note


def test_what_is_not_there_is_left_out(make, manifest):
    found = drawn([make([[["中", "国"]]], {1: Kind.MASK})], manifest)
    assert "Pairs of segments" not in found
    assert "Parts of speech" not in found


@pytest.mark.parametrize(
    "strategy, expected",
    [
        ("macbert", {Kind.SIMILAR: 0.8, Kind.KEPT: 0.1}),
        ("pert", {Kind.MOVED: 0.9, Kind.KEPT: 0.1}),
        *((name, {Kind.MASK: 0.8, Kind.KEPT: 0.1}) for name in ("piece", "ngram", "lert", "other")),
    ],
)
def test_what_is_expected_depends_on_the_strategy(examples, manifest, strategy, expected):
    kinds = {kind.name.lower(): 10 for kind in expected}
    counts = {**manifest.counts, "kinds": kinds}
    manifest = dataclasses.replace(manifest, strategy=strategy, counts=counts)
    bars = drawn(examples, manifest)["Input at these places"].bars
    named = {KIND_NAMES[kind]: share for kind, share in expected.items()}
    assert {bar.label: bar.expected for bar in bars} == pytest.approx(named)


def test_lerts_labels_by_name(make, manifest):
    labels = {"pos_labels": [1, 1, 0], "ner_labels": [0, 0, 99]}
    example = make([TEXT], dict.fromkeys([1, 2, 3], Kind.MASK), labels=labels)
    found = drawn([example], manifest)
    assert shares(found["Parts of speech"]) == {"v": 0.6667, "n": 0.3333}
    assert shares(found["Named entities"]) == {"O": 0.6667, "no label: 99": 0.3333}
    assert "Dependency relations" not in found


@pytest.mark.parametrize(
    "label, pairing, name",
    [
        (0, "nsp", "actual next segment"),
        (1, "", "random next segment"),
        (1, None, "random next segment"),
        (1, "sop", "swapped"),
        (2, "sop", "label 2"),
    ],
)
def test_names_of_pair_labels(label, pairing, name):
    assert name_pair_label(label, pairing) == name


@pytest.mark.parametrize(
    "share, text",
    [(0, "0.0 %"), (0.00001, "< 0.01 %"), (0.0067, "0.67 %"), (0.149, "14.9 %"), (1, "100.0 %")],
)
def test_percent(share, text):
    assert percent(share) == text
