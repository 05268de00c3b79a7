import collections

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_wwm.core.errors import DataError
from bert_wwm.corpus.segmented import SegmentedBlock
from bert_wwm.data.counts import Counts
from bert_wwm.data.tokenized import tokenize_block
from bert_wwm.masking.labels import label_id
from bert_wwm.segmentation.alignment import word_lengths
from bert_wwm.text.bulk import BulkTokenizer
from bert_wwm.text.tokenizer import Tokenizer
from bert_wwm.text.vocabulary import Vocabulary

TOKENIZER = Tokenizer(
    Vocabulary(
        "[PAD] [UNK] [CLS] [SEP] [MASK] 使 用 语 言 ， be ##rt pro ##ba ##bility a ##a 1".split()
    )
)
TEXTS = st.text(st.sampled_from("使用语言，BERTa1\u0301 ☃\x00\u200bẞ龘"), max_size=12)
TASKS = ("pos", "ner")
TAGS = {"pos": ["n", "v", "g", None], "ner": ["O", "B-Ni", None]}


@st.composite
def sentences(draw):
    """A sentence, words that tile it in any way or None, and a tag for each word."""
    text = draw(TEXTS)
    if not text or draw(st.integers(0, 9)) == 0:
        return text, None, dict.fromkeys(TASKS)
    cuts = draw(st.sets(st.integers(1, len(text)))) | {0, len(text)}
    words = list(zip(sorted(cuts), sorted(cuts)[1:]))
    shown = st.sampled_from([*range(9)]).map(bool)  # few words without a tag
    return text, words, {
        task: [draw(st.sampled_from(TAGS[task][: -1 if draw(shown) else None])) for _ in words]
        for task in TASKS
    }  # fmt: skip


DOCUMENTS = st.lists(st.lists(sentences(), min_size=1, max_size=4), max_size=4)


def block_of(documents, tasks=()):
    rows = [row for document in documents for row in document]
    ends = np.cumsum([0, *map(len, documents)]).tolist()
    return SegmentedBlock(
        [text for text, _, _ in rows],
        [words for _, words, _ in rows],
        {task: [tags[task] for _, _, tags in rows] for task in tasks},
        ends,
        [("f", 10 * number) for number in range(len(documents))],
        split_documents=3,
    )


def tokenize(documents, tasks=(), max_pieces=1000):
    counts = Counts()
    block = block_of(documents, tasks)
    return tokenize_block(block, BulkTokenizer(TOKENIZER), max_pieces, counts), counts


def by_document(block):
    """Of each document the sentences: pieces, lengths of words, and tags, piece by piece."""
    result = []
    for first, last in zip(block.documents, block.documents[1:]):
        assert first < last
        document = []
        for start, end in zip(block.sentences[first:last], block.sentences[first + 1 :]):
            assert start < end and block.word_starts[start]
            words = np.diff(np.flatnonzero(block.word_starts[start:end]), append=end - start)
            tags = {task: values[start:end].tolist() for task, values in block.tags.items()}
            document.append((block.ids[start:end].tolist(), words.tolist(), tags))
        result.append(document)
    return result


def plain_document(document, tasks):
    """What ``by_document`` gives, one sentence and one piece after the other."""
    result = []
    for text, words, tags in document:
        pieces = TOKENIZER.tokenize(text)
        lengths = word_lengths(pieces, words) or [1] * len(pieces)
        labels = {task: [] for task in tasks}
        for piece in pieces if words else ():
            (number,) = (n for n, (a, b) in enumerate(words) if a <= piece.start < b)
            for task in tasks:
                labels[task].append(tags[task][number] and label_id(task, tags[task][number]))
        is_tagged = not tasks or (words and not any(None in values for values in labels.values()))
        if pieces and is_tagged:
            result.append(([piece.id for piece in pieces], lengths, labels))
    return result


@pytest.mark.parametrize("tasks", [(), ("pos",), TASKS])
@given(documents=DOCUMENTS)
def test_sentences_words_and_tags_are_those_of_one_sentence_after_the_other(tasks, documents):
    block, _ = tokenize(documents, tasks)
    expected = [plain_document(document, tasks) for document in documents]
    assert by_document(block) == [document for document in expected if document]
    assert block.ids.dtype == np.int32 and block.word_starts.dtype == bool
    assert len(block.ids) == len(block.word_starts) == block.sentences[-1]
    assert block.documents[-1] == len(block.sentences) - 1
    assert all(values.dtype == np.int8 for values in block.tags.values())


@given(DOCUMENTS)
def test_what_is_read_is_counted(documents):
    block, counts = tokenize(documents)
    rows = [row for document in documents for row in document]
    pieces = [TOKENIZER.tokenize(text) for text, _, _ in rows]
    aligned = [word_lengths(*pair) for pair in zip(pieces, [words for _, words, _ in rows])]
    assert counts.documents == len(block.documents) - 1
    assert counts.documents_split == 3
    assert counts.sentences == sum(map(bool, pieces))
    assert counts.sentences_fallen_back == sum(
        bool(found) and words is None for found, words in zip(pieces, aligned)
    )
    assert counts.sentences_untagged == counts.sentences_split == 0
    assert counts.pieces == sum(map(len, pieces)) == len(block.ids)
    unknown = collections.Counter(
        text[piece.start : piece.end]
        for (text, _, _), found in zip(rows, pieces)
        for piece in found
        if piece.text == "[UNK]"
    )
    assert counts.unknown == unknown
    assert counts.unknown_pieces == sum(unknown.values())
    lengths = [n for document in by_document(block) for _, words, _ in document for n in words]
    assert counts.words_by_length == {str(n): lengths.count(n) for n in set(lengths)}


@given(DOCUMENTS)
def test_sentences_that_lack_a_tag_are_left_out_and_counted(documents):
    block, counts = tokenize(documents, TASKS)
    rows = [row for document in documents for row in document]
    kept = sum(map(len, (plain_document(document, TASKS) for document in documents)))
    with_pieces = sum(bool(TOKENIZER.tokenize(text)) for text, _, _ in rows)
    assert len(block.sentences) - 1 == kept
    assert counts.sentences_untagged == with_pieces - kept
    assert counts.sentences == with_pieces


def split(words, limit):
    """Lengths of words of each part, filled one word after the other."""
    parts = [[]]
    for length in words:
        for piece in [limit] * (length // limit) + [length % limit] * (length % limit > 0):
            if sum(parts[-1]) + piece > limit:
                parts.append([])
            parts[-1].append(piece)
    return parts


@pytest.mark.parametrize("tasks", [(), TASKS])
@given(documents=DOCUMENTS, limit=st.integers(1, 9))
def test_sentences_that_are_too_long_are_cut_at_ends_of_words_and_lose_nothing(
    tasks, documents, limit
):
    whole, _ = tokenize(documents, tasks)
    block, counts = tokenize(documents, tasks, max_pieces=limit)
    found, split_sentences = by_document(block), 0
    assert len(found) == len(by_document(whole))
    for parts, document in zip(found, by_document(whole)):
        rest = iter(parts)
        for ids, words, tags in document:
            expected = split(words, limit)
            split_sentences += len(expected) > 1
            start = 0
            for part, (part_ids, part_words, part_tags) in zip(expected, rest):
                end = start + sum(part)
                assert part_ids == ids[start:end] and len(part_ids) <= limit
                assert part_words == part
                assert part_tags == {task: tags[task][start:end] for task in tasks}
                start = end
            assert start == len(ids)
        assert not list(rest)
    assert counts.sentences_split == split_sentences


def test_a_sentence_that_cannot_be_aligned_falls_back_to_single_pieces():
    (document,) = by_document(tokenize([[("使BERT用", [(0, 2), (2, 5), (5, 6)], {})]])[0])
    assert document == [([5, 10, 11, 6], [1, 1, 1, 1], {})]


def test_a_document_without_pieces_is_none():
    empty, full = ("\x00", [(0, 1)], {}), ("使用", [(0, 2)], {})
    block, counts = tokenize([[empty], [empty, full, empty], [empty], [full], [empty]])
    assert by_document(block) == [[([5, 6], [2], {})]] * 2
    assert counts.documents == 2
    block, counts = tokenize([[empty], [empty]])
    assert by_document(block) == [] and counts.documents == 0


def test_a_tag_that_is_not_known_is_named_with_its_place():
    good, bad = ([("使用", [(0, 2)], {"pos": [tag]})] * 2 for tag in ("n", "nr"))
    with pytest.raises(DataError, match=r"^f:20: 'nr' is no label of pos in LERT; expected one of"):
        tokenize([good, good, bad, good], ("pos",))
