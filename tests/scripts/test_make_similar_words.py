"""The program that makes files of similar words, as users run it."""

import gzip
import os
import pathlib
import subprocess
import sys

import launcher
import numpy as np
import pytest
from gensim.models import keyedvectors
from refusals import refusal

from bert_wwm.text.similar_words import SimilarWords
from bert_wwm.text.tokenizer import Tokenizer
from bert_wwm.text.vocabulary import Vocabulary

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAM = "make_similar_words.py"


def _make(*flags: str) -> str:
    """Runs the program; returns what it printed."""
    ran = launcher.run(f"scripts/{PROGRAM}", *flags)
    assert ran.stderr == ""
    return ran.stdout


def _lines(path: pathlib.Path) -> dict[str, list[str]]:
    text = path.read_text(encoding="utf-8")
    return {word: rest.split() for word, rest in (line.split("\t") for line in text.splitlines())}


def _words() -> list[str]:
    """Some 1,400 words of one to four pieces, among them some that the vocabulary can't write."""
    rng = np.random.default_rng(1)
    chars = list("使用语言模型来预测下一个词的概率我们在学习中国人民龘")
    words = ["".join(rng.choice(chars, rng.integers(1, 5))) for _ in range(2_000)]
    return ["BERT", "bert", *dict.fromkeys(words)]


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory):
    """Vectors in clusters: gensim's KeyedVectors, and a folder of their files."""
    words = _words()
    rng = np.random.default_rng(2)
    centres = rng.normal(size=(60, 20))
    table = keyedvectors.KeyedVectors(20)
    noise = rng.normal(size=(len(words), 20))
    table.add_vectors(
        words, (centres[rng.integers(0, 60, len(words))] + 0.7 * noise).astype(np.float32)
    )
    folder = tmp_path_factory.mktemp("vectors")
    table.save_word2vec_format(str(folder / "vectors.txt"))
    table.save_word2vec_format(str(folder / "vectors.bin"), binary=True)
    (folder / "vectors.txt.gz").write_bytes(gzip.compress((folder / "vectors.txt").read_bytes()))
    return table, folder


@pytest.fixture(scope="module")
def similar_file(vectors) -> pathlib.Path:
    """The similar words of a binary file."""
    _, folder = vectors
    _make(f"--word2vec_file={folder}/vectors.bin", f"--output_file={folder}/similar.txt")
    return folder / "similar.txt"


def test_neighbours_are_gensims(vectors, similar_file: pathlib.Path) -> None:
    table, _ = vectors
    lines = _lines(similar_file)
    assert list(lines) == table.index_to_key
    for word, similar in lines.items():
        near = table.most_similar(word, topn=10)
        assert similar == [other for other, cosine in near if cosine >= 0.5]
    assert max(map(len, lines.values())) == 10
    assert min(map(len, lines.values())) < 10


@pytest.mark.parametrize("least, most", [(0.7, 300), (-1.0, 5)])
def test_with_a_vocabulary_neighbours_are_gensims_of_as_many_pieces(
    vectors, vocab_file: str, tmp_path: pathlib.Path, least: float, most: int
) -> None:
    table, folder = vectors
    output = tmp_path / "similar.txt"
    printed = _make(
        f"--word2vec_file={folder}/vectors.bin",
        f"--output_file={output}",
        f"--vocab_file={vocab_file}",
        f"--min_similarity={least}",
        f"--num_similar={most}",
    )
    words = [word for word in table.index_to_key if "龘" not in word and word != "bert"]
    pieces = {word: 2 if word == "BERT" else len(word) for word in words}
    lines = _lines(output)
    assert list(lines) == words
    for word in words:
        near = [
            other
            for other, cosine in table.most_similar(word, topn=len(table))
            if pieces.get(other) == pieces[word] and cosine >= least
        ]
        assert lines[word] == near[:most]
    unknown = sum("龘" in word for word in table.index_to_key)
    with_similar = [similar for similar in lines.values() if similar]
    average = sum(map(len, with_similar)) / len(with_similar)
    assert printed.startswith(
        f"{len(table):,} words read\n"
        f"{unknown} words not in the vocabulary's pieces dropped\n"
        f"1 words of the pieces of another dropped\n"
        f"{len(words):,} words kept, {len(with_similar):,} with at least one similar word, "
        f"{average:.1f} on average\n"
    )
    assert len(printed.splitlines()) == 8  # three samples, and where it was written

    similar = SimilarWords.from_file(str(output), Tokenizer(Vocabulary.from_file(vocab_file)))
    assert similar.counts() == {
        "words": len(words),
        "words_with_candidates": len(with_similar),
        "candidates": sum(map(len, with_similar)),
    }


def test_the_format_does_not_matter(vectors, similar_file, tmp_path: pathlib.Path) -> None:
    _, folder = vectors
    output = tmp_path / "similar.txt"
    for name, *flags in [
        ("vectors.txt", "--binary=false"),
        ("vectors.txt.gz", "--max_words=0"),
        ("vectors.bin", "--binary"),
    ]:
        _make(f"--word2vec_file={folder}/{name}", f"--output_file={output}", *flags)
        assert output.read_bytes() == similar_file.read_bytes()


def test_only_the_first_words_are_read(vectors, tmp_path: pathlib.Path) -> None:
    table, folder = vectors
    output = tmp_path / "similar.txt"
    _make(f"--word2vec_file={folder}/vectors.txt", f"--output_file={output}", "--max_words=100")
    assert list(_lines(output)) == table.index_to_key[:100]


def test_equal_words_stand_in_the_order_of_the_file(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text("6 2\na 1 1\nb 2 2\nc 0.5 0.5\nd 3 3\ne 7 7\nf -1 1\n", encoding="utf-8")
    output = tmp_path / "similar.txt"
    _make(f"--word2vec_file={path}", f"--output_file={output}", "--num_similar=2")
    assert output.read_text(encoding="utf-8") == "a\tb c\nb\ta c\nc\ta b\nd\ta b\ne\ta b\nf\t\n"


def test_words_that_can_not_be_used_are_counted(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "vectors.txt"
    text = "6 2\na 1 1\nb\tb 1 1\n\u3000 1 1\nzero 0 0\nnan nan 1\n".encode()
    path.write_bytes(text + b"\xe4\xbd 1 1\n")
    output = tmp_path / "similar.txt"
    printed = _make(f"--word2vec_file={path}", f"--output_file={output}")
    assert printed.startswith(
        "6 words read\n"
        "2 words with spaces dropped\n"
        "2 words with a vector of no direction dropped\n"
        "1 words not UTF-8 dropped\n"
        "1 words kept, 0 with at least one similar word, 0.0 on average\n"
    )
    assert _lines(output) == {"a": []}


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("a.txt", b"", ":1: b'' is not a header of word vectors"),
        ("a.txt", b"no header\n", ":1: b'no header\\n' is not a header of word vectors"),
        ("a.txt", b"2 2\na 1 1\n", ": gensim can't read this (unexpected end of input"),
        ("a.txt", b"2 2\na 1 1\nb 1 1 1\n", ": gensim can't read this (could not broadcast"),
        ("a.bin", b"2 2\na " + bytes(8), ": gensim can't read this (unexpected end of input"),
        ("a.txt.gz", b"2 2\na 1 1\nb 1 1\n", ": gensim can't read this (Not a gzipped file"),
        (
            "a.bin.gz",
            gzip.compress(b"2 2\na 1 1\n", mtime=0)[:20],
            ": gensim can't read this (Compressed",
        ),
    ],
)
def test_bad_vectors_end_in_one_sentence(
    tmp_path: pathlib.Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    flags = (f"--word2vec_file={tmp_path}/{name}", f"--output_file={tmp_path}/similar.txt")
    assert refusal(PROGRAM, *flags).startswith(f"{tmp_path}/{name}{message}")
    assert not (tmp_path / "similar.txt").exists()


@pytest.mark.parametrize(
    "vectors_file, output, message",
    [
        ("gs://bucket/vectors.bin", "a.txt", "expected a file of this machine"),
        ("missing.bin", "a.txt", "missing.bin: no such file"),
        ("missing.bin", "missing.bin", "is an input"),
        ("missing.bin", "a.txt.gz", "expected the name of a plain text file"),
        ("missing.bin", "", "expected the name of a plain text file"),
    ],
)
def test_bad_names_are_refused(
    tmp_path: pathlib.Path, vectors_file: str, output: str, message: str
) -> None:
    flags = (f"--word2vec_file={vectors_file}", f"--output_file={output}")
    assert message in refusal(PROGRAM, *flags)


def test_without_gensim_its_installation_is_told(tmp_path: pathlib.Path) -> None:
    code = (
        "import runpy, sys; sys.modules['gensim'] = sys.modules['gensim.models'] = None; "
        "runpy.run_path('scripts/make_similar_words.py', run_name='__main__')"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, "--word2vec_file=a.txt", f"--output_file={tmp_path}/b.txt"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert "pip install -e '.[similar-words]'" in ran.stderr
