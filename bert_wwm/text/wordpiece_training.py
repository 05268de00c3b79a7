"""A vocabulary from text, for those who train from scratch.

Characters that BERT's tokenizer separates (ideographs, punctuation) are pieces by themselves. The
other words (Latin, digits, kana, ...) are cut by byte-pair encoding (Sennrich et al. 2016, arXiv
1508.07909). The trainers of the package tokenizers (0.22) give other pieces in each process for the
same text: ties are broken by the order of a hash table.
"""

import collections
import heapq
import itertools
from collections import Counter
from collections.abc import Iterable

from bert_wwm.core.errors import ConfigError
from bert_wwm.text.characters import CharacterTable
from bert_wwm.text.tokenizer import basic_words
from bert_wwm.text.vocabulary import PAD, SPECIAL_TOKENS

Pair = tuple[str, str]


def count_words(texts: Iterable[str], do_lower_case: bool) -> Counter[str]:
    """Counts the words of BERT's basic tokenizer in texts."""
    table = CharacterTable(do_lower_case)
    counts: Counter[str] = collections.Counter()
    for text in texts:
        counts.update(word.text for word in basic_words(text, table, do_lower_case))
    return counts


def build_vocabulary(
    counts: Counter[str], vocab_size: int, min_count: int, num_unused: int
) -> list[str]:
    """Returns the pieces of a vocabulary in the order of Google's: special ones first.

    ``counts`` says how often each word occurs; characters and pairs that occur less than
    ``min_count`` times are not added. ``num_unused`` places ``[unusedN]`` are for words that are
    added later. Raises ConfigError where they leave no room.
    """
    reserved = [PAD, *(f"[unused{n}]" for n in range(1, num_unused + 1)), *SPECIAL_TOKENS[1:]]
    room = vocab_size - len(reserved)
    if room < 1:
        raise ConfigError(
            f"--vocab_size={vocab_size}: no room beside {len(reserved)} special and unused pieces"
        )
    symbols: Counter[str] = collections.Counter()
    for word, count in counts.items():
        for symbol in _split(word):
            symbols[symbol] += count
    frequent = [symbol for symbol in symbols if symbols[symbol] >= min_count]
    characters = sorted(frequent, key=lambda symbol: (-symbols[symbol], symbol))[:room]
    known = set(characters)
    spellable = {w: n for w, n in counts.items() if len(w) > 1 and known.issuperset(_split(w))}
    merged = _merge_pairs(spellable, room - len(characters), min_count, known)
    return reserved + characters + merged


def _split(word: str) -> list[str]:
    """Returns the single characters of a word as pieces."""
    return [word[0], *("##" + char for char in word[1:])]


def _merge_pairs(
    counts: dict[str, int], num_merges: int, min_count: int, known: set[str]
) -> list[str]:
    """Returns up to ``num_merges`` new pieces, each the most frequent pair at its time."""
    words = [_split(word) for word in counts]
    weights = list(counts.values())
    pair_counts: Counter[Pair] = collections.Counter()
    places: dict[Pair, set[int]] = collections.defaultdict(set)  # words that have or had a pair
    for number, word in enumerate(words):
        for pair in itertools.pairwise(word):
            pair_counts[pair] += weights[number]
            places[pair].add(number)
    # Counts in the heap go stale as pairs are merged; the true one is looked up at the pop.
    heap = [(-count, pair) for pair, count in pair_counts.items()]
    heapq.heapify(heap)
    merged: list[str] = []
    while heap and len(merged) < num_merges:
        count, pair = heapq.heappop(heap)
        if -count != pair_counts[pair]:
            continue
        if -count < min_count:
            break
        piece = pair[0] + pair[1].removeprefix("##")
        if piece not in known:
            known.add(piece)
            merged.append(piece)
        changed: set[Pair] = set()
        for number in places.pop(pair):
            before = words[number]
            words[number] = _merge(before, pair, piece)
            for other in itertools.pairwise(before):
                pair_counts[other] -= weights[number]
                changed.add(other)
            for other in itertools.pairwise(words[number]):
                pair_counts[other] += weights[number]
                places[other].add(number)
                changed.add(other)
        for other in changed - {pair}:
            heapq.heappush(heap, (-pair_counts[other], other))
        del pair_counts[pair]
    return merged


def _merge(symbols: list[str], pair: Pair, piece: str) -> list[str]:
    """Replaces a pair of neighbours by their piece."""
    merged: list[str] = []
    for symbol in symbols:
        if merged and (merged[-1], symbol) == pair:
            merged[-1] = piece
        else:
            merged.append(symbol)
    return merged
