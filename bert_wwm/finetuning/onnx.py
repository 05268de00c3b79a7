"""A fine-tuned model as ONNX, checked against TensorFlow."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from bert_wwm.compat import tf
from bert_wwm.core.errors import CheckpointError, ConfigError

# ONNX Runtime runs it from 1.10 on.
_OPSET = 15
# Of the larger of 1 and TensorFlow's value.
_TOLERANCE = 1e-4
_DIMENSIONS = ("batch", "length")

Tensors = dict[str, tf.Tensor]


class Signature(NamedTuple):
    """The tensors of a request and of its answer, by name; B and S as in the request."""

    inputs: Tensors  # int32 placeholders [B, S]
    outputs: Tensors  # [B, ...]; see ``build_answers`` of each kind's job


def check_installed() -> None:
    """Raises ConfigError where the packages for ONNX are missing."""
    try:
        import onnxruntime  # noqa: F401
        import tf2onnx  # noqa: F401
    except ImportError:
        raise ConfigError(
            "--onnx needs the packages tf2onnx and onnxruntime, which aren't installed: "
            "pip install -e '.[onnx]'"
        ) from None


def write_onnx(
    build: Callable[[], Signature],
    weights: Mapping[str, np.ndarray],
    feed: Mapping[str, np.ndarray],
    expected: Mapping[str, np.ndarray],
    path: str,
) -> str:
    """Writes a graph with the values of its variables, and compares it with TensorFlow.

    ``expected`` are TensorFlow's outputs of the batch ``feed``. Returns what the comparison came
    to, for the user; raises CheckpointError if an output differs by more than 1e-4.
    """
    import onnx

    model = _convert(build)
    # Free dimensions have the same names everywhere.
    for value in (*model.graph.input, *model.graph.output):
        for name, dimension in zip(_DIMENSIONS, value.type.tensor_type.shape.dim):
            if not dimension.dim_value:
                dimension.dim_param = name
    inputs = list(model.graph.input)
    del model.graph.input[:]
    for value in inputs:
        if value.name in weights:
            tensor = onnx.numpy_helper.from_array(weights[value.name], value.name)
            model.graph.initializer.append(tensor)
        else:
            model.graph.input.append(value)
    onnx.save(model, path)
    return _compare(path, feed, expected)


def _convert(build: Callable[[], Signature]) -> Any:
    """Returns a graph as ONNX; its variables become inputs of the same names.

    Were they constants, tf2onnx would copy them at each of its steps: 20 GB for BERT-base.
    """
    import tf2onnx

    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    weights = {}

    def weight(name: str, shape: Any, dtype: Any = tf.float32, **_: Any) -> tf.Tensor:
        weights[name] = tf.placeholder(dtype, shape)
        return weights[name]

    graph = tf.Graph()
    with graph.as_default(), tf.variable_scope("", custom_getter=weight):
        signature = build()
    outputs = [tensor.op.name for tensor in signature.outputs.values()]
    # Without what no output needs, such as the pooler beneath tags.
    needed = tf.graph_util.extract_sub_graph(graph.as_graph_def(), outputs)
    nodes = {node.name for node in needed.node}
    inputs = {
        name: tensor
        for name, tensor in [*signature.inputs.items(), *weights.items()]
        if tensor.op.name in nodes
    }
    model, _ = tf2onnx.convert.from_graph_def(
        needed,
        input_names=[tensor.name for tensor in inputs.values()],
        output_names=[tensor.name for tensor in signature.outputs.values()],
        opset=_OPSET,
        tensors_to_rename={
            tensor.name: name for name, tensor in [*inputs.items(), *signature.outputs.items()]
        },
    )
    return model


def _compare(path: str, feed: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]) -> str:
    import onnxruntime

    runtime = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    outputs = dict(zip(expected, runtime.run(list(expected), dict(feed))))
    worst = {
        name: float(np.max(np.abs(outputs[name] - values) / np.maximum(1, np.abs(values))))
        for name, values in expected.items()
    }
    name = max(worst, key=lambda output: worst[output])
    if not worst[name] <= _TOLERANCE:  # nor is it, where something isn't finite
        raise CheckpointError(
            f"ONNX: {name} differs from TensorFlow's by {worst[name]:.1e} on a batch of "
            f"{len(feed['input_ids'])}; expected {_TOLERANCE:g} at most, so it is not written"
        )
    return f"onnxruntime {onnxruntime.__version__} differs from TensorFlow by {worst[name]:.1e}"
