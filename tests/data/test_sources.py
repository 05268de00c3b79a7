import gzip
import itertools
import pathlib
import pickle
import tempfile
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.corpus import blocks, documents, segmented
from bert_wwm.corpus.blocks import Block, Stretch
from bert_wwm.data import sources
from bert_wwm.data.sources import SegmentedSource, TextSource, read_all
from bert_wwm.segmentation.segmenters import Annotated, Segmenter, make_segmenter

TASKS = ("pos", "ner")
TEXTS = st.lists(st.text(st.sampled_from("一二ab☃ \u2028"), max_size=9), max_size=40).map("\n".join)


class Tagger(Segmenter):
    """Words of two characters, tagged by their length; it gives up where there is a ☃."""

    def annotate(self, sentences, tasks):
        result = []
        for sentence in sentences:
            ends = [*range(2, len(sentence), 2), len(sentence)]
            tags = {task: [f"{task}{b - a}" for a, b in zip([0, *ends], ends)] for task in tasks}
            spans = list(zip([0, *ends], ends))
            result.append(None if "☃" in sentence else Annotated(spans, tags))
        return result

    def describe(self, tasks=()):
        return {"name": "tagger", **({"tags": {"tasks": list(tasks)}} if tasks else {})}


def block_of(text):
    return Block((0, 0), [Stretch("f", 1, text.encode())])


def test_sentences_of_text_get_words_and_know_their_documents():
    block = Block((0, 0), [Stretch("f", 3, b"ab c\nd\n\n"), Stretch("g", 1, b"\ne f\n")])
    found = TextSource(make_segmenter("presegmented")).segment(block)
    assert found.sentences == ["ab c", "d", "e f"]
    assert found.words == [[(0, 2), (2, 3), (3, 4)], [(0, 1)], [(0, 1), (1, 2), (2, 3)]]
    assert found.documents == [0, 2, 3]
    assert found.places == [("f", 3), ("g", 2)]
    assert (found.tags, found.split_documents) == ({}, 0)
    assert [found.find_place(n) for n in range(3)] == ["f:3", "f:3", "g:2"]


def test_tags_come_with_the_words():
    found = TextSource(Tagger(), TASKS).segment(block_of("一二三\n☃\n"))
    assert found.words == [[(0, 2), (2, 3)], None]
    assert found.tags == {"pos": [["pos2", "pos1"], None], "ner": [["ner2", "ner1"], None]}


def test_documents_that_are_taken_apart_are_counted():
    with mock.patch.object(documents, "DOCUMENT_BYTES", 6):
        found = TextSource(Tagger()).segment(block_of("一二\n三四\n五\n\n六\n"))
    assert found.documents == [0, 1, 2, 3, 4]
    assert found.split_documents == 2


@pytest.mark.parametrize("tasks", [(), TASKS])
@given(text=TEXTS, size=st.integers(1, 5))
def test_the_size_of_the_batches_makes_no_difference(tasks, text, size):
    source = TextSource(Tagger(), tasks)
    found = source.segment(block_of(text))
    with mock.patch.object(sources, "_BATCH_SENTENCES", size):
        assert source.segment(block_of(text)) == found


@pytest.mark.parametrize("tasks", [(), TASKS])
@settings(deadline=None)
@given(texts=st.lists(TEXTS, min_size=1, max_size=5), num_files=st.integers(1, 3))
def test_segmented_corpora_hold_what_their_text_gives(tasks, texts, num_files):
    sizes = mock.patch.multiple(blocks, BLOCK_BYTES=60, DOCUMENT_BYTES=20)
    with tempfile.TemporaryDirectory() as folder, sizes:
        paths = write_texts(folder, texts)
        source = TextSource(Tagger(), tasks)
        from_text = {block.place: source.segment(block) for block in read_all(source, paths)}
        outputs = [f"{folder}/{number}.seg" for number in range(num_files)]
        parts = [segmented.format_block(place, found) for place, found in from_text.items()]
        for number, output in enumerate(outputs):
            header = segmented.format_header(Tagger().describe(), tasks)
            whole = b"".join(map(gzip.compress, [header, *parts[number::num_files]]))
            pathlib.Path(output).write_bytes(whole)
        source = SegmentedSource(tasks)
        found = {block.place: source.segment(block) for block in read_all(source, outputs)}
    assert set(found) == set(from_text)
    for place, block in found.items():
        for name in "sentences", "words", "tags", "documents":
            assert getattr(block, name) == getattr(from_text[place], name)


def write_texts(folder, texts):
    paths = [f"{folder}/{number}.txt" for number in range(len(texts))]
    for path, text in zip(paths, texts):
        pathlib.Path(path).write_text(text, encoding="utf-8")
    return paths


def test_all_blocks_are_those_of_the_text_and_of_each_of_its_runs(tmp_path):
    with mock.patch.multiple(blocks, BLOCK_BYTES=60, DOCUMENT_BYTES=20):
        paths = write_texts(tmp_path, ["0123456789\n\n" * n for n in (3, 20, 1, 5)])
        source = TextSource(Tagger())
        found = list(read_all(source, paths))
        runs = source.runs(paths)
        assert runs == [paths[:2], paths[2:]]
        of_runs = (source.read(number, run) for number, run in enumerate(runs))
        assert list(itertools.chain.from_iterable(of_runs)) == found


@pytest.fixture
def make_segmented(tmp_path):
    def make(name, segmenter="ltp", tasks=TASKS, *lines):
        path = tmp_path / name
        header = segmented.format_header({"name": segmenter}, tasks)
        path.write_bytes(header + "".join(f"{line}\n" for line in lines).encode())
        return str(path)

    return make


def test_segmented_corpora_are_told_from_text(make_segmented, tmp_path):
    path = make_segmented("a")
    with pytest.raises(DataError, match="a: is a segmented corpus; expected text, or --segm"):
        TextSource(Tagger()).describe([path])
    (path,) = write_texts(tmp_path, ["今天\n"])
    with pytest.raises(DataError, match=r"0\.txt:1: no segmented corpus"):
        list(read_all(SegmentedSource(), [path]))


def test_what_cut_the_words_is_described(make_segmented, tmp_path):
    texts = write_texts(tmp_path, ["今天\n"])
    assert TextSource(Tagger()).describe(texts) == {"name": "tagger"}
    assert TextSource(Tagger(), TASKS).describe(texts) == {
        "name": "tagger",
        "tags": {"tasks": ["pos", "ner"]},
    }
    paths = [make_segmented(name) for name in "ab"]
    expected = {"name": "presegmented", "by": {"name": "ltp"}}
    assert SegmentedSource().describe(paths) == SegmentedSource(TASKS).describe(paths) == expected


def test_segmented_corpora_of_different_kinds_are_refused(make_segmented):
    first = make_segmented("a")
    for other in make_segmented("b", "jieba"), make_segmented("c", "ltp", ["pos"]):
        with pytest.raises(ConfigError) as error:
            SegmentedSource().describe([first, other])
        assert str(error.value) == f"{other}: was segmented otherwise than {first}"


def test_tags_that_a_segmented_corpus_lacks_are_named(make_segmented):
    path = make_segmented("a", "ltp", ["pos"])
    with pytest.raises(ConfigError, match=r"a: has no tags of ner, dep; .*--annotate=pos,ner,dep"):
        SegmentedSource(("pos", "ner", "dep")).describe([path])


def test_sources_can_be_pickled():
    block = block_of("一二三\n☃\n")
    for source in TextSource(Tagger(), TASKS), TextSource(make_segmenter("characters")):
        assert pickle.loads(pickle.dumps(source)).segment(block) == source.segment(block)
