from bert_wwm.masking.corruption import Kind
from bert_wwm.report.charts import Chart
from bert_wwm.report.statistics import Wholeness
from bert_wwm.report.terminal import (
    render_charts,
    render_example,
    render_facts,
    render_legend,
    render_verdict,
)
from bert_wwm.report.verdict import judge

WORDS = [["中", "国"], ["人"], ["be", "##rt"], ["[UNK]"]]


def test_an_example_in_brackets(make):
    kinds = {1: Kind.MASK, 2: Kind.RANDOM, 3: Kind.KEPT, 5: Kind.MASK}
    example = make([WORDS, [["大", "家"]]], kinds, shown={2: "##a"}, pair_label=1)
    assert render_example(example, "nsp", colour=False).split("\n") == [
        "a.tfrecord record 0: 11 tokens, 4 to predict, random next segment",
        "[中][国>##a] [人=] be[rt] [UNK]",
        "大家",
    ]
    assert render_example(example, "sop", colour=False).split("\n")[0].endswith(", swapped")
    assert render_legend([example], colour=False) == (
        "[x] masked   [x>y] replaced by y   [x=] unchanged, but to be predicted"
    )


def test_an_example_in_colour(make):
    kinds = {1: Kind.MASK, 2: Kind.SIMILAR, 3: Kind.MOVED}
    example = make([WORDS], kinds, shown={2: "家", 3: "国"})
    text = render_example(example, "", colour=True)
    assert text.startswith("a.tfrecord record 0: 8 tokens, 3 to predict\n")
    assert "\033[41m中\033[0m\033[45m国>家\033[0m \033[46;30m人>国\033[0m bert" in text
    assert "similar" not in render_legend([make([WORDS], {1: Kind.MASK})], colour=True)


def test_the_verdict(make):
    verdict = judge(Wholeness(1000, 990, 1000.0, 70.0), ["wwm"], ["ltp"])
    plain = render_verdict(verdict, colour=False)
    assert plain.startswith("Yes: whole words are masked.\nOf 1,000 words")
    assert "about 99.0 %" in plain.replace("\n", " ")
    assert "\033[42;30m" in render_verdict(verdict, colour=True)


def test_charts_stand_under_what_they_are_of():
    assert render_charts(
        [
            Chart("Kinds", "all 4 records", "75.0\xa0% [MASK], 25.0\xa0% kept"),
            Chart("Fill", "a sample of 2 records", "▁█  75 % on average."),
            Chart("[UNK]", "all 4 records", "0.20\xa0% of\xa0all\xa0pieces: 谤×1,200, <×2"),
        ]
    ).split("\n") == [
        "Of all 4 records",
        "  Kinds                   75.0 % [MASK], 25.0 % kept",
        "  [UNK]                   0.20 % of all pieces: 谤×1,200, <×2",
        "",
        "Of a sample of 2 records",
        "  Fill                    ▁█  75 % on average.",
    ]


def test_long_charts_are_wrapped():
    shares = ", ".join(f"{n}:\xa012.5\xa0%" for n in range(8))
    assert render_charts([Chart("Labels", "all", shares)]).split("\n")[1:] == [
        "  Labels                  " + ", ".join(f"{n}: 12.5 %" for n in range(6)) + ",",
        " " * 26 + "6: 12.5 %, 7: 12.5 %",
    ]


def test_facts():
    assert render_facts({"Strategy": "wwm"}) == "strategy                  wwm"
