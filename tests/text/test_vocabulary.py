import pytest

from bert_wwm.core.errors import DataError
from bert_wwm.text.vocabulary import Vocabulary

SPECIAL = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"


def write(tmp_path, text):
    path = tmp_path / "vocab.txt"
    path.write_bytes(text.encode())
    return str(path)


def test_ids_are_line_numbers(tmp_path):
    vocabulary = Vocabulary.from_file(write(tmp_path, SPECIAL + "中\n##国\n"))
    assert vocabulary.ids["中"] == 5
    assert vocabulary.pieces[6] == "##国"
    assert len(vocabulary) == 7
    assert "人" not in vocabulary


def test_the_hash_is_that_of_the_pieces_whatever_the_line_ends(tmp_path):
    unix = Vocabulary.from_file(write(tmp_path, SPECIAL)).sha256()
    assert Vocabulary.from_file(write(tmp_path, SPECIAL.replace("\n", "\r\n"))).sha256() == unix


def test_googles_vocabulary(samples):
    vocabulary = Vocabulary.from_file(str(samples / "vocab.txt"))
    assert len(vocabulary) == 21128
    assert vocabulary.sha256() == (
        "45bbac6b341c319adc98a532532882e91a9cefc0329aa57bac9ae761c27b291c"
    )


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        (SPECIAL.replace("[MASK]\n", ""), r"lacks \[MASK\]"),
        (SPECIAL + "中\n国\n中\n", r":8: '中' is already on line 6"),
    ],
)
def test_bad_files_are_refused(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        Vocabulary.from_file(write(tmp_path, text))
