"""A vocabulary from text, for those who train from nothing.

Characters that BERT's tokenizer sets apart (ideographs, punctuation) are pieces by themselves. The
other words (Latin, digits, kana, ...) are cut by byte-pair encoding (Sennrich et al. 2016, arXiv
1508.07909): from single characters on, the pair of neighbours that occurs most often becomes a
piece, again and again, until the vocabulary is full.
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

    Args:
        counts: how often each word occurs.
        vocab_size: most pieces in all.
        min_count: a character or pair that occurs less often becomes no piece.
        num_unused: number of ``[unusedN]`` places for words that are added later.

    Raises:
        ConfigError: there is no room beside the special and unused pieces.
    """
    reserved = [PAD, *(f"[unused{n}]" for n in range(1, num_unused + 1)), *SPECIAL_TOKENS[1:]]
    room = vocab_size - len(reserved)
    if room < 1:
        raise ConfigError(
            f"--vocab_size={vocab_size}: no room beside {len(reserved)} special and unused pieces"
        )
    symbols: Counter[str] = collections.Counter()
    for word, count in counts.items():
        for symbol in _symbols(word):
            symbols[symbol] += count
    characters = [symbol for symbol, _ in _by_frequency(symbols, min_count)][:room]
    known = set(characters)
    spellable = {w: n for w, n in counts.items() if len(w) > 1 and known.issuperset(_symbols(w))}
    merged = _merge_pairs(spellable, room - len(characters), min_count, known)
    return reserved + characters + merged


def _symbols(word: str) -> list[str]:
    """The single characters of a word as pieces."""
    return [word[0], *("##" + char for char in word[1:])]


def _by_frequency(counts: Counter[str], min_count: int) -> list[tuple[str, int]]:
    frequent = [(item, count) for item, count in counts.items() if count >= min_count]
    return sorted(frequent, key=lambda entry: (-entry[1], entry[0]))


def _join(pair: Pair) -> str:
    return pair[0] + pair[1][2:]


def _merge_pairs(
    counts: dict[str, int], num_merges: int, min_count: int, known: set[str]
) -> list[str]:
    """Returns up to ``num_merges`` new pieces, each the most frequent pair at its time."""
    words = [_symbols(word) for word in counts]
    weights = list(counts.values())
    pair_counts: Counter[Pair] = collections.Counter()
    places: dict[Pair, set[int]] = collections.defaultdict(set)
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
        piece = _join(pair)
        if piece not in known:
            known.add(piece)
            merged.append(piece)
        changed: set[Pair] = set()
        for number in places.pop(pair):
            changed |= _merge_in_word(words, number, pair, weights[number], pair_counts, places)
        for other in sorted(changed - {pair}):
            heapq.heappush(heap, (-pair_counts[other], other))
        del pair_counts[pair]
    return merged


def _merge_in_word(
    words: list[list[str]],
    number: int,
    pair: Pair,
    weight: int,
    pair_counts: Counter[Pair],
    places: dict[Pair, set[int]],
) -> set[Pair]:
    """Merges a pair in one word; returns the pairs whose counts have changed."""
    before = words[number]
    after: list[str] = []
    index = 0
    while index < len(before):
        if tuple(before[index : index + 2]) == pair:
            after.append(_join(pair))
            index += 2
        else:
            after.append(before[index])
            index += 1
    words[number] = after
    lost, gained = list(itertools.pairwise(before)), list(itertools.pairwise(after))
    for other in lost:
        pair_counts[other] -= weight
        places[other].discard(number)
    for other in gained:
        pair_counts[other] += weight
        places[other].add(number)
    return set(lost) | set(gained)
