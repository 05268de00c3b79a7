"""TensorFlow as the toolkit uses it: the 1.x interface of TensorFlow 2.15 to 2.21.

Only this folder knows TensorFlow's versions. Importing it changes nothing: eager execution and the
like stay as the program set them.
"""

import os

from bert_wwm.compat.import_noise import without_import_noise

# TensorFlow logs absent GPU libraries as errors at start-up; what goes wrong later is raised.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# transformers sets it to 1, also for the programs that its process starts. TensorFlow 2.15's own
# Keras is the one that later versions call legacy; the package that they take it from isn't needed.
os.environ["TF_USE_LEGACY_KERAS"] = "0"

with without_import_noise():
    import tensorflow.compat.v1 as tf

# 2.16 and later come without Estimator. What can be put in its place can't run on TPUs.
RUNS_ON_TPUS = hasattr(tf, "estimator")
if not RUNS_ON_TPUS:
    from bert_wwm.compat.estimator import estimator

    tf.estimator = estimator

__all__ = ["RUNS_ON_TPUS", "tf"]
