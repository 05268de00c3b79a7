"""Learning rates that fall from layer to layer, from the top of the encoder down."""

import re
from collections.abc import Callable, Iterable

from bert_wwm.core.errors import ConfigError

_LAYER = re.compile(r"(?:^|/)layer_(\d+)/")
_EMBEDDINGS = re.compile(r"(?:^|/)embeddings/")


def layer_scales(names: Iterable[str], layer_decay: float) -> Callable[[str], float]:
    """Returns a function from a variable's name to the factor of its learning rate.

    It is ``layer_decay ** d``: of L layers ``layer_<i>`` has d = L - i, the embeddings below them
    L + 1, and what is above (pooler, heads) 0. So does BEiT (microsoft/unilm,
    beit/optim_factory.py). ELECTRA (google-research/electra, model/optimization.py) has d one
    higher in all layers and the embeddings: its top layer falls two powers short of the heads.

    Args:
        names: of all variables that are trained; from them L is known.
        layer_decay: fraction of 1 that is left of the learning rate one layer further down.

    Raises:
        ConfigError: ``layer_decay`` is not above 0, or above 1.
    """
    if not 0.0 < layer_decay <= 1.0:
        raise ConfigError(f"layer_decay is {layer_decay}; expected a number above 0 and up to 1")
    matches = filter(None, map(_LAYER.search, names))
    num_layers = 1 + max((int(match[1]) for match in matches), default=-1)

    def scale(name: str) -> float:
        layer = _LAYER.search(name)
        if layer:
            return layer_decay ** (num_layers - int(layer[1]))
        return layer_decay ** (num_layers + 1) if _EMBEDDINGS.search(name) else 1.0

    return scale
