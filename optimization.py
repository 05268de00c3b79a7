"""google-research/bert's ``optimization``, name for name.

The code lives in ``bert_wwm/train``: ``optimizers.py`` holds AdamW and LAMB, ``schedules.py`` the
learning rate, ``step.py`` what a training step does.
"""

from bert_wwm.train.optimizers import AdamWeightDecayOptimizer
from bert_wwm.train.step import create_optimizer

__all__ = ["AdamWeightDecayOptimizer", "create_optimizer"]
