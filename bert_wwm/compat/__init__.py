"""TensorFlow as the toolkit uses it: the 1.x interface of TensorFlow 2.15 and later.

Only this folder knows TensorFlow's versions. Importing it changes nothing: eager execution and the
like stay as the program set them.
"""

import os

# TensorFlow logs absent GPU libraries as errors at start-up; what goes wrong later is raised.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# transformers sets it to 1, also for the programs that its process starts. TensorFlow 2.15's own
# Keras is the one that later versions call legacy; the package that they take it from isn't needed.
os.environ["TF_USE_LEGACY_KERAS"] = "0"

import tensorflow.compat.v1 as tf

if not hasattr(tf, "estimator"):  # 2.16 and later
    from bert_wwm.compat.estimator import estimator

    tf.estimator = estimator

__all__ = ["tf"]
