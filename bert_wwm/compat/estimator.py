"""tf.estimator for TensorFlow 2.16 and later, which come without it.

tensorflow-estimator 2.15.0 is still on PyPI, and TensorFlow still has nearly all that it imports.
Here it gets the rest: a stand-in for each module that is gone. Its canned models, which need
Keras 2, are left out.
"""

import importlib
import importlib.util
import sys
import types
from typing import Any

import tensorflow
from tensorflow.python.util import tf_export

from bert_wwm.compat import cluster_training
from bert_wwm.core.errors import ConfigError

_PACKAGE = "tensorflow_estimator"
# The names that the toolkit uses, by the package's modules.
_NAMES = {
    "estimator": "Estimator",
    "mode_keys": "ModeKeys",
    "model_fn": "EstimatorSpec",
    "run_config": "RunConfig",
    "training": "EvalSpec TrainSpec train_and_evaluate",
}
_TPU = {
    "tpu.tpu_config": "InputPipelineConfig RunConfig TPUConfig",
    "tpu.tpu_context": "TPUContext",
    "tpu.tpu_estimator": "TPUEstimator TPUEstimatorSpec",
}
_EMBEDDING_OPTIMIZERS = (
    "Adagrad Adam Ftrl Momentum ProximalAdagrad RMSProp StochasticGradientDescent"
)


def _load() -> types.ModuleType:
    """Returns the module tf.estimator with the names that the toolkit uses."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None:
        raise ConfigError(
            f"TensorFlow {tensorflow.__version__} has no Estimator; expected "
            "tensorflow-estimator 2.15.0 beside it, as by `pip install -r requirements.txt`"
        )
    # The package's own __init__ would import the canned models.
    package = sys.modules[_PACKAGE] = types.ModuleType(_PACKAGE)
    package.__path__ = list(spec.submodule_search_locations)
    _stand_in()
    return _module("tf.estimator", **_find(_NAMES), tpu=_module("tf.estimator.tpu", **_find(_TPU)))


def _find(names: dict[str, str]) -> dict[str, Any]:
    """Returns what some names stand for in the modules of the package."""
    return {
        name: getattr(importlib.import_module(f"{_PACKAGE}.python.estimator.{module}"), name)
        for module, row in names.items()
        for name in row.split()
    }


def _stand_in() -> None:
    """Adds what tensorflow-estimator imports of TensorFlow, and TensorFlow has no more."""
    # The API's name that tensorflow-estimator registers its public classes under.
    api, attributes = "estimator", tf_export.API_ATTRS[tf_export.TENSORFLOW_API_NAME]
    tf_export.ESTIMATOR_API_NAME = api
    for table in (tf_export.API_ATTRS, tf_export.API_ATTRS_V1):
        table.setdefault(api, type(attributes)("_estimator_names", "_estimator_constants"))
    stand_ins: dict[str, dict[str, Any]] = {
        # Starts the servers of a cluster.
        "distribute.estimator_training": vars(cluster_training),
        # Embeddings that are spread over a TPU's cores, which BERT has none of.
        "tpu.tpu_embedding": {
            f"{name}Parameters": type(name, (), {}) for name in _EMBEDDING_OPTIMIZERS.split()
        },
        # The gradients of these embeddings.
        "tpu.tpu_embedding_gradient": {},
        # Heartbeats of a TPU's hosts; TPUs are TensorFlow 2.15's.
        "tpu.session_support": {},
    }
    for name, content in stand_ins.items():
        path = f"tensorflow.python.{name}"
        parent, _, child = path.rpartition(".")
        sys.modules[path] = _module(path, **content)
        setattr(importlib.import_module(parent), child, sys.modules[path])


def _module(name: str, /, **content: Any) -> types.ModuleType:
    module = types.ModuleType(name)
    vars(module).update({key: value for key, value in content.items() if key[:2] != "__"})
    return module


estimator = _load()
