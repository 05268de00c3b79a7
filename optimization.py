"""google-research/bert's ``optimization``, name for name.

The code lives in ``bert_wwm/train``: ``optimizers.py`` holds these names and LAMB, ``schedules.py``
the learning rate.
"""

from bert_wwm.train.optimizers import AdamWeightDecayOptimizer, create_optimizer

__all__ = ["AdamWeightDecayOptimizer", "create_optimizer"]
