"""Compiles a program for TPUs without a TPU, and prints the compiler's figures as a JSON object.

This is a program of its own in the environment of the compiler (environment.py), whose NumPy is
another than TensorFlow's. So it imports nothing of this package, and Python must not look for
modules in this folder (``python -I``). If the program doesn't fit the memory of a device, or the
compiler refuses it, the object has "error" and "message", the compiler's words.

Arguments: a file with a serialised HloModuleProto, the file for the optimised program (compressed
text), the topology, the configuration of its chips, and the number of replicas.
"""

import gzip
import json
import sys

import jax
import numpy as np
from jax._src import compiler
from jax._src.interpreters import mlir
from jax._src.lib import xla_client
from jax.experimental import topologies
from jaxlib.mlir import ir

# tf2xla puts it around results; for XLA's other backends it means nothing, and the TPU compiler
# doesn't know it.
_COPY = "mhlo.copy"


def operations(block):
    """Yields the operations of a block, and of those within them."""
    for item in block.operations:
        yield item.operation
        for region in item.operation.regions:
            for inner in region.blocks:
                yield from operations(inner)


def load(path: str):
    """Returns a serialised HloModuleProto as a StableHLO module that the TPU compiler accepts."""
    with open(path, "rb") as stream:
        text = xla_client._xla.mlir.hlo_to_stablehlo(stream.read())
    with mlir.make_ir_context():
        module = ir.Module.parse(text)
        for copy in [item for item in operations(module.body) if item.name == _COPY]:
            copy.results[0].replace_all_uses_with(copy.operands[0])
            copy.erase()
    return module


def compile_module(module, topology: str, chip_config: str, num_replicas: int):
    """Returns the executable for devices of a topology."""
    devices = topologies.get_topology_desc(
        platform="tpu", topology_name=topology, chip_config_name=chip_config
    ).devices[:num_replicas]
    options = compiler.get_compile_options(
        num_replicas=num_replicas,
        num_partitions=1,
        device_assignment=np.array([[device.id] for device in devices]),
    )
    client = devices[0].client
    return client.compile(module, xla_client.DeviceList(tuple(devices)), options)


def describe(executable) -> dict:
    """Returns memory (bytes of one device) and work (of one replica)."""
    memory = executable.get_compiled_memory_stats()
    cost = executable.cost_analysis()
    cost = cost[0] if isinstance(cost, list) else cost
    return {
        "argument_bytes": memory.argument_size_in_bytes,
        "output_bytes": memory.output_size_in_bytes,
        "temp_bytes": memory.temp_size_in_bytes,
        "alias_bytes": memory.alias_size_in_bytes,
        "flops": cost["flops"],
    }


def main() -> None:
    path, optimised, topology, chip_config, num_replicas = sys.argv[1:]
    jax.config.update("jax_platforms", "cpu")  # don't look for a TPU
    try:
        executable = compile_module(load(path), topology, chip_config, int(num_replicas))
    except jax.errors.JaxRuntimeError as error:
        message = str(error)
        print(json.dumps({"error": message.partition(":")[0], "message": message}))
        return
    with gzip.open(optimised, "wt", compresslevel=1, encoding="utf-8") as stream:
        stream.write(executable.hlo_modules()[0].to_string())
    print(json.dumps(describe(executable)))


if __name__ == "__main__":
    main()
