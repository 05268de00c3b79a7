"""How many operations the matmuls of a compiled program are."""

import functools
import re

from bert_wwm.estimate import hlo
from bert_wwm.estimate.hlo import Module, Operation

_LABELS = re.compile(r"dim_labels=(\w+)_(\w+)->(\w+)")
_WINDOW = re.compile(r"window=\{([^}]*)\}")


def matmul_flops(module: Module, operation: Operation) -> int:
    """Returns the operations of all matmuls in an instruction, as XLA counts them: two a product.

    Of the TPU's compiler a matmul is a convolution; one that is batched goes in a window over
    dimensions that are padded or spread out, and products with what fills these aren't counted.
    """
    return sum(
        _convolution_flops(module, inner)
        for inner in hlo.within(module, operation)
        if inner.opcode == "convolution"
    )


def _convolution_flops(module: Module, operation: Operation) -> int:
    labels = _LABELS.search(operation.attributes)
    if not labels:
        raise ValueError(f"{operation.name}: a convolution without dim_labels")
    shapes = [module.operations[name].shape for name in operation.operands]
    left, right, result = (
        dict(zip(names, hlo.arrays(shape)[0].dims))
        for names, shape in zip(labels.groups(), [*shapes, operation.shape])
    )
    products = right["i"] * result["b"] * result["f"]
    for axis in filter(str.isdigit, result):
        sizes = (left[axis], right[axis], result[axis])
        products *= _positions(sizes, **_window(operation, int(axis)))
    return 2 * products


def _window(operation: Operation, axis: int) -> dict[str, int]:
    """The settings of a convolution's window on one axis; of the padding the one before."""
    found = _WINDOW.search(operation.attributes)
    settings = dict(item.split("=") for item in found.group(1).split()) if found else {}
    of_axis = {name: text.split("x")[axis].split("_")[0] for name, text in settings.items()}
    return {
        "stride": int(of_axis.get("stride", 1)),
        "padding": int(of_axis.get("pad", 0)),
        "left_dilation": int(of_axis.get("lhs_dilate", 1)),
        "right_dilation": int(of_axis.get("rhs_dilate", 1)),
    }


@functools.cache
def _positions(
    sizes: tuple[int, int, int],
    stride: int,
    padding: int,
    left_dilation: int,
    right_dilation: int,
) -> int:
    """Pairs of a window's place and an element in it, on one axis, that meet a real element."""
    left, right, result = sizes
    places = (
        place * stride + element * right_dilation - padding
        for place in range(result)
        for element in range(right)
    )
    end = left * left_dilation
    return sum(0 <= place < end and place % left_dilation == 0 for place in places)
