"""A few weights, and the rules that train them, written out in NumPy."""

import numpy as np

from bert_wwm.compat import tf

EXCLUDED = ["LayerNorm", "layer_norm", "bias"]
SHAPES = {"dense/kernel": [3, 4], "dense/bias": [4], "LayerNorm/gamma": [4], "table": [5, 4]}
RNG = np.random.default_rng(7)
INITIAL = {name: RNG.normal(size=shape) for name, shape in SHAPES.items()}
INITIAL["dense/bias"] *= 0  # as biases are at first: LAMB's ratio must not stay 0


def reference_step(optimizer, name, w, m, v, g, rate):
    """One step of the rules in the optimizers' docstrings, in float64."""
    m = 0.9 * m + 0.1 * g
    v = 0.999 * v + 0.001 * g**2
    u = m / (np.sqrt(v) + 1e-6)
    if not any(word in name for word in EXCLUDED):
        u = u + 0.01 * w
    if optimizer == "lamb":
        w_norm, u_norm = np.linalg.norm(w), np.linalg.norm(u)
        u = u * (w_norm / u_norm if w_norm > 0 and u_norm > 0 else 1.0)
    return w - rate * u, m, v


def make_variables():
    return {
        name: tf.get_variable(name, initializer=tf.constant(value, tf.float32))
        for name, value in INITIAL.items()
    }


def start(session):
    session.run(tf.global_variables_initializer())
