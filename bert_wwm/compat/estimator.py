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
_MODULES = f"{_PACKAGE}.python.estimator"
_EMBEDDING_OPTIMIZERS = (
    "Adagrad Adam Ftrl Momentum ProximalAdagrad RMSProp StochasticGradientDescent"
)


def _load() -> types.ModuleType:
    """Returns the module tf.estimator with the names that the toolkit uses.

    Raises:
        ConfigError: tensorflow-estimator isn't installed.
    """
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
    modules = {
        name: importlib.import_module(f"{_MODULES}.{name}")
        for name in ("estimator", "run_config", "mode_keys", "model_fn", "training")
    }
    tpu = {
        name: importlib.import_module(f"{_MODULES}.tpu.{name}")
        for name in ("tpu_config", "tpu_context", "tpu_estimator")
    }
    return _module(
        "tf.estimator",
        Estimator=modules["estimator"].Estimator,
        EstimatorSpec=modules["model_fn"].EstimatorSpec,
        EvalSpec=modules["training"].EvalSpec,
        ModeKeys=modules["mode_keys"].ModeKeys,
        RunConfig=modules["run_config"].RunConfig,
        TrainSpec=modules["training"].TrainSpec,
        train_and_evaluate=modules["training"].train_and_evaluate,
        tpu=_module(
            "tf.estimator.tpu",
            InputPipelineConfig=tpu["tpu_config"].InputPipelineConfig,
            RunConfig=tpu["tpu_config"].RunConfig,
            TPUConfig=tpu["tpu_config"].TPUConfig,
            TPUContext=tpu["tpu_context"].TPUContext,
            TPUEstimator=tpu["tpu_estimator"].TPUEstimator,
            TPUEstimatorSpec=tpu["tpu_estimator"].TPUEstimatorSpec,
        ),
    )


def _stand_in() -> None:
    """Adds what tensorflow-estimator imports of TensorFlow and is no longer there."""
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
