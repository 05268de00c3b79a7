import gzip

from bert_wwm.text.corpus import Document, blocks, read_documents


def document(size: int) -> Document:
    return Document(["x" * (size - 1)], "f", 1)


def sizes(result):
    return [[d.size for d in block] for block in result]


def test_documents_end_at_blank_lines_and_at_ends_of_files(tmp_path):
    first = tmp_path / "a.txt"
    first.write_text("\n一。 \n二。\n \n\n三。", encoding="utf-8")
    second = tmp_path / "b.txt.gz"
    second.write_bytes(gzip.compress("四。\n".encode()))
    paths = [str(first), str(second)]
    assert list(read_documents(paths)) == [
        Document(["一。", "二。"], paths[0], 2),
        Document(["三。"], paths[0], 6),
        Document(["四。"], paths[1], 1),
    ]


def test_a_block_is_closed_by_the_document_that_fills_it():
    documents = [document(size) for size in (40, 70, 60, 50, 90, 10)]
    assert sizes(blocks(documents, 100)) == [[40, 70], [60, 50], [90, 10]]


def test_a_block_has_two_documents():
    assert sizes(blocks([document(500), document(10), document(99), document(1)], 100)) == [
        [500, 10],
        [99, 1],
    ]


def test_a_small_rest_joins_the_block_before_it():
    assert sizes(blocks([document(60)] * 2 + [document(20)] * 2, 100)) == [[60, 60, 20, 20]]
    assert sizes(blocks([document(60)] * 2 + [document(300)], 100)) == [[60, 60, 300]]


def test_a_corpus_smaller_than_a_block_is_one():
    assert sizes(blocks([document(5)], 100)) == [[5]]
    assert sizes(blocks([], 100)) == []
