"""Whether whole word masking is on: an answer in a sentence."""

from collections.abc import Sequence
from typing import NamedTuple

from bert_wwm.report.charts import percent
from bert_wwm.report.statistics import Wholeness

# Of the way from the share by chance to all words. Words that the run's segmenter finds again are
# 98 or 99 % of those of the run; another segmenter finds about 70 % of them.
_YES, _NO = 0.9, 0.15
# Below it, the share is too uncertain.
_FEWEST_WORDS = 30


class Verdict(NamedTuple):
    """An answer, in a word and in a sentence, and the numbers behind it."""

    answer: str  # ``yes``, ``no``, ``partly`` or ``unclear``
    headline: str
    reason: str


def judge(wholeness: Wholeness, strategies: Sequence[str], segmenters: Sequence[str]) -> Verdict:
    """Says whether the words of a sample, which the segmenters found, are masked as a whole.

    The masking strategies are those that the records were made with, as far as known.
    """
    by = ", ".join(segmenters)
    if wholeness.touched < _FEWEST_WORDS:
        reason = (
            f"In the sample, masking touched only {wholeness.touched:,} words of two or more "
            f"pieces that the segmenter '{by}' found."
        )
        if set(segmenters) == {"characters"}:
            reason = (
                "The segmenter 'characters' treats every character as a word; with "
                "--segmenter=ltp or rjieba there are words to look at."
            )
        return Verdict("unclear", "Can't tell whether whole words are masked.", reason)
    share, chance = wholeness.share, wholeness.share_by_chance
    reason = (
        f"Of {wholeness.touched:,} words of two or more pieces that masking touched in the sample, "
        f"about {percent(share)} are selected as a whole. Single pieces drawn at random would "
        f"make it about {percent(chance)}."
    )
    gain = (share - chance) / (1 - chance)
    if gain >= _YES:
        return Verdict("yes", "Yes: whole words are masked.", reason)
    if gain > _NO:
        reason += (
            f" The words are those that the segmenter '{by}' finds; if the records were made with "
            "another one, name that by --segmenter."
        )
        return Verdict("partly", "In part: many words are masked as a whole.", reason)
    if strategies:
        named = ", ".join(f"'{strategy}'" for strategy in strategies)
        reason += f" By their manifest, the records were made with the strategy {named}."
    return Verdict("no", "No: single pieces are masked.", reason)
