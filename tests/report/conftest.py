"""Examples and a manifest made by hand."""

import collections
from collections.abc import Callable, Sequence

import pytest

from bert_wwm.data.counts import Counts
from bert_wwm.masking.corruption import Kind
from bert_wwm.records.manifest import Manifest
from bert_wwm.report.examples import Example

Make = Callable[..., Example]


@pytest.fixture
def make() -> Make:
    """Makes an example of segments, each a list of words, each a list of pieces.

    What is selected is named by its position: [CLS] stands at 0, the first piece at 1.
    """

    def make_example(
        segments: Sequence[Sequence[Sequence[str]]],
        kinds: dict[int, Kind],
        shown: dict[int, str] = {},  # noqa: B006  not changed
        **attributes,
    ) -> Example:
        originals: list[str] = ["[CLS]"]
        spans, words = [], []
        for segment in segments:
            begin = len(originals)
            for word in segment:
                words.append((len(originals), len(originals) + len(word)))
                originals += word
            spans.append((begin, len(originals)))
            originals.append("[SEP]")
        masked = {p: "[MASK]" for p, kind in kinds.items() if kind == Kind.MASK}
        seen = [{**masked, **shown}.get(p, piece) for p, piece in enumerate(originals)]
        values = {
            "where": "a.tfrecord record 0",
            "max_seq_length": 20,
            "pair_label": None,
            "labels": {},
            **attributes,
        }
        return Example(
            originals=originals, shown=seen, kinds=kinds, segments=spans, words=words, **values
        )

    return make_example


@pytest.fixture
def manifest() -> Manifest:
    """Of a run that made ten records."""
    counts = Counts(
        pieces=1000,
        unknown_pieces=5,
        unknown=collections.Counter({"谤": 3, "<": 2}),
        words_by_length=collections.Counter({"1": 300, "2": 150, "7": 50}),
        instances=10,
        pairs_labelled_1=4,
        tokens=800,
        budget=125,
        predicted=120,
        kinds=collections.Counter({"mask": 90, "random": 18, "kept": 12}),
        ngrams_drawn=collections.Counter({"1": 40, "2": 30, "3": 20, "4": 10}),
        ngrams=collections.Counter({"1": 60, "2": 40}),
    )
    return Manifest(
        strategy="wwm",
        pairing="nsp",
        labels=[],
        max_seq_length=128,
        max_predictions_per_seq=20,
        vocab_size=100,
        vocab_sha256="aa",
        do_lower_case=True,
        tokenizer="google",
        segmenter={"name": "ltp", "model": "m"},
        flags={},
        counts=counts.to_manifest(),
        files={"a": {"records": 10, "bytes": 1}},
        run={},
    )
