import collections

import pytest

from bert_wwm.core.errors import ConfigError
from bert_wwm.text.tokenizer import Tokenizer
from bert_wwm.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from bert_wwm.text.wordpiece_training import build_vocabulary, count_words


def test_words_are_counted_as_the_tokenizer_sees_them():
    counts = count_words(["BERT，使用Bert", "使"], do_lower_case=True)
    assert counts == {"bert": 2, "，": 1, "使": 2, "用": 1}


def test_characters_come_first_by_frequency_then_merges():
    counts = collections.Counter({"中": 9, "国": 5, "low": 6, "lower": 3})
    pieces = build_vocabulary(counts, vocab_size=100, min_count=2, num_unused=2)
    assert pieces[:7] == ["[PAD]", "[unused1]", "[unused2]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert pieces[7:14] == ["##o", "##w", "l", "中", "国", "##e", "##r"]
    assert pieces[14:16] == ["##ow", "low"]
    tokenizer = Tokenizer(Vocabulary(pieces))
    assert [p.text for p in tokenizer.tokenize("low lower 中")] == ["low", "lower", "中"]


def test_the_most_frequent_pair_is_the_one_at_its_time():
    # Once bc is a piece, the pair (a, b) is found in no word any more, and (a, bc) is new.
    counts = collections.Counter({"abc": 4, "xbd": 3})
    pieces = build_vocabulary(counts, vocab_size=5 + 5 + 4, min_count=1, num_unused=0)
    assert pieces[-4:] == ["##bc", "abc", "##bd", "xbd"]


def test_size_and_count_are_bounds():
    counts = collections.Counter({"中": 9, "国": 1, "ab": 9})
    assert "国" not in build_vocabulary(counts, 100, 2, 0)
    assert len(build_vocabulary(counts, 7, 1, 0)) == 7
    with pytest.raises(ConfigError, match="no room"):
        build_vocabulary(counts, len(SPECIAL_TOKENS), 1, 0)
