"""Running text to sentences."""

import re
from typing import List

# A sentence ends at these marks, and at closing quotes and brackets behind them.
_END = re.compile(r"[^。！？!?…；;]*(?:[。！？!?…；;]+[”’」』）)】》\"']*|$)")


def split_sentences(text: str) -> List[str]:
    """Cuts a paragraph at the ends of its sentences; nothing but white space is lost.

    A full stop (``.``) does not end a sentence: in Chinese text it is mostly a decimal point.

    Example:
        split_sentences("他说：“走吧！”大家走了。") -> ["他说：“走吧！”", "大家走了。"]
    """
    return [part for part in (match.strip() for match in _END.findall(text)) if part]
