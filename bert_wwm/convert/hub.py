"""Models by their names on the Hugging Face hub."""

import os
import re

from bert_wwm.convert import hf_weights, tokenizer_files
from bert_wwm.core.errors import DataError

_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
_NEEDED = (
    "config.json",
    hf_weights.SIDE_FILE,
    hf_weights.MODULES,
    tokenizer_files.ADDED_TOKENS,
    *tokenizer_files.NAMES,
)


def find_folder(path_or_id: str) -> str:
    """Returns the folder of a model; one that isn't there is looked for on the hub.

    Of the hub's files it downloads what a conversion reads, of the weights one form. Without a
    network, the files of an earlier download do.

    Raises:
        DataError: it is neither a folder nor a model on the hub.
    """
    if os.path.isdir(path_or_id):
        return path_or_id
    if os.path.exists(path_or_id) or not _ID.fullmatch(path_or_id):
        raise DataError(
            f"{path_or_id}: no such folder; expected one, a .zip, or a model of the hub"
        )
    import huggingface_hub
    from huggingface_hub import utils

    try:
        patterns = _patterns(huggingface_hub.list_repo_files(path_or_id))
        return huggingface_hub.snapshot_download(path_or_id, allow_patterns=patterns)
    except (utils.HfHubHTTPError, utils.HFValidationError) as error:
        fault = f"the Hugging Face hub has no such model ({type(error).__name__})"
    except OSError as error:  # no network: the library's other errors are requests' or Python's
        fault = f"the Hugging Face hub can't be reached ({type(error).__name__})"
        try:
            return huggingface_hub.snapshot_download(path_or_id, local_files_only=True)
        except utils.LocalEntryNotFoundError:
            pass
    raise DataError(
        f"{path_or_id}: no such folder, and {fault}; expected a folder, or the name of a model "
        "there, such as hfl/chinese-roberta-wwm-ext"
    )


def _patterns(names: list[str]) -> list[str]:
    """Returns which of the hub's files to download."""
    patterns = list(_NEEDED)
    for name in hf_weights.choose(names):
        stem, extension = os.path.splitext(name.replace(hf_weights.INDEX, ""))
        patterns += [name, f"{stem}-*{extension}"] if name.endswith(hf_weights.INDEX) else [name]
    return patterns
