"""Names of choices whose code needs TensorFlow, which flags offer without importing it."""

DISTRIBUTION_STRATEGIES = ("mirrored", "multi_worker")
GELU_FORMS = ("erf", "tanh")
OPTIMIZERS = ("adamw", "lamb")
POOLINGS = ("cls", "mean")
