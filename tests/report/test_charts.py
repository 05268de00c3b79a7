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
    return {
        chart.title: chart
        for chart in draw_charts(provenance, gather([[example] for example in examples]))
    }


def text(chart):
    return chart.text.replace("\xa0", " ")


def test_the_manifest_has_the_numbers_of_all_records(examples, manifest):
    found = drawn(examples, manifest)
    expected = {
        "Selected pieces": "15.0 % of all tokens, 96.0 % of the budget",
        "Input at these places": "75.0 % [MASK], 15.0 % at random, 10.0 % unchanged; "
        "expected 80, 10, 10 %",
        "Units, in words": "1: 60.0 %, 2: 40.0 %",
        "Words, in pieces": "1: 60.0 %, 2: 30.0 %, 3: 0.0 %, 4: 0.0 %, 5+: 10.0 %",
        "[UNK]": "0.50 % of all pieces: 谤×3, <×2",
        "Pairs of segments": "60.0 % actual next segment, 40.0 % random next segment",
    }
    assert {title: text(found[title]) for title in expected} == expected
    assert {found[title].scope for title in expected} == {"all 10 records"}


def test_part_of_a_run(examples, manifest):
    files = {name: {"records": 5, "bytes": 1} for name in "ab"}
    found = drawn(examples, dataclasses.replace(manifest, files=files))
    assert found["Words, in pieces"].scope == "all 10 records of the run"


def test_without_a_manifest_all_is_of_the_sample(examples):
    found = drawn(examples)
    assert {chart.scope for chart in found.values()} == {"a sample of 2 records"}
    assert {title: text(chart) for title, chart in found.items() if chart.title[0] != "F"} == {
        "Selected pieces": "13.3 % of all tokens",
        "Input at these places": "50.0 % [MASK], 25.0 % at random, 25.0 % unchanged; "
        "expected 80, 10, 10 %",
        "Words, in pieces": "1: 90.9 %, 2: 9.1 %",
        "[UNK]": "4.2 % of all pieces",
        "Pairs of segments": "100.0 % actual next segment",
    }


def test_fill_is_always_of_the_sample(examples, manifest):
    fill = drawn(examples, manifest)["Fill of the sequences"]
    assert fill.scope == "a sample of 2 records"
    assert text(fill) == ("▁▁▁▁▁▁▁█▁▁  75.0 % of the tokens that there is room for, on average.")


def test_packed_records_count_their_instances(examples, manifest):
    packed = dataclasses.replace(manifest, counts={**manifest.counts, "rows": 4})
    provenance = Provenance(["a"], {manifest_path("a"): packed})
    record = [dataclasses.replace(example, max_seq_length=40) for example in examples]
    charts = draw_charts(provenance, gather([record]))
    found = {chart.title: chart for chart in charts}
    assert found["[UNK]"].scope == "all 10 instances in 4 records"
    fill = found["Fill of the sequences"]
    assert fill.scope == "a sample of 2 instances in 1 records"
    assert text(fill).endswith("average. Packed, 2.00 instances to a record: 75.0 %.")
    assert (provenance.facts()["Records"], provenance.facts()["Instances"]) == ("4", "10, packed")

    both = Provenance(["a", "b"], {manifest_path("a"): packed, manifest_path("b"): manifest})
    assert (both.counts().instances, both.counts().rows) == (20, 14)


def test_what_is_not_there_is_left_out(make, manifest):
    found = drawn([make([[["中", "国"]]], {1: Kind.MASK})], manifest)
    assert "Pairs of segments" not in found
    assert "Parts of speech" not in found


@pytest.mark.parametrize(
    "strategy, expected",
    [
        ("macbert", {Kind.SIMILAR: 80, Kind.KEPT: 10}),
        ("pert", {Kind.MOVED: 90, Kind.KEPT: 10}),
        *((name, {Kind.MASK: 80, Kind.KEPT: 10}) for name in ("piece", "ngram", "lert", "other")),
    ],
)
def test_what_is_expected_depends_on_the_strategy(examples, manifest, strategy, expected):
    kinds = {kind.name.lower(): 10 for kind in expected}
    counts = {**manifest.counts, "kinds": kinds}
    manifest = dataclasses.replace(manifest, strategy=strategy, counts=counts)
    shares = ", ".join(f"50.0 % {KIND_NAMES[kind]}" for kind in expected)
    percents = ", ".join(map(str, expected.values()))
    found = drawn(examples, manifest)["Input at these places"]
    assert text(found) == f"{shares}; expected {percents} %"


def test_lerts_labels_by_name(make, manifest):
    labels = {"pos_labels": [1, 1, 0], "ner_labels": [0, 0, 99]}
    example = make([TEXT], dict.fromkeys([1, 2, 3], Kind.MASK), labels=labels)
    found = drawn([example], manifest)
    assert text(found["Parts of speech"]) == "66.7 % v, 33.3 % n"
    assert text(found["Named entities"]) == "66.7 % O, 33.3 % no label: 99"
    assert "Dependency relations" not in found


def test_many_labels_are_cut_short(make):
    labels = {"pos_labels": list(range(10))}
    example = make([TEXT], dict.fromkeys(range(1, 11), Kind.MASK), labels=labels)
    assert text(drawn([example])["Parts of speech"]).endswith("10.0 % p, 2 more")


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
