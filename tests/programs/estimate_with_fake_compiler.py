"""estimate_tpu.py with a made-up compiler.

The weights take 1 GiB, each example takes 0.05 GiB and 1.88 megacycles, which are 2 ms of a v3;
accumulation steps save memory and take no time. At the end it prints to standard error which steps
were built, and whether TensorFlow was imported.
"""

import atexit
import json
import sys

import estimate_tpu
from bert_wwm.cli import app
from bert_wwm.estimate.compiler import Compiled, DoesNotFit
from bert_wwm.estimate.profile import MATMUL, Instruction

GIB = 2**30
seen = []


def compile_for(hlo, num_parts, tpu, num_replicas, log):
    batch, parts, _, replicas = json.loads(hlo)
    assert parts == num_parts
    assert replicas == num_replicas and num_replicas in (1, tpu.compiled_devices)
    weights, temp = GIB, int(0.05 * GIB * batch / parts)
    if weights + temp > tpu.available_gib * GIB:
        raise DoesNotFit(f"it ({(weights + temp) / GIB}G) exceeds available HBM")
    flops = tpu.peak_flops * batch * 1e-3
    program = [Instruction(batch * 1_880_000, 1, MATMUL, "layers/attention, forward")]
    return Compiled(weights, weights, temp, weights, flops, program)


def build_step(config, objective, settings, features, mode, num_replicas):
    from bert_wwm.estimate.step import Step

    batch, length = features["input_ids"].shape.as_list()
    assert settings.train_batch_size % batch == 0
    seen.append(
        {
            "mode": mode,
            "heads": list(objective.heads),
            "optimizer": settings.optimizer,
            "use_bfloat16": settings.use_bfloat16,
            "replicas": num_replicas,
        }
    )
    parts = settings.num_accumulation_steps if mode == "train" else 1
    hlo = json.dumps([batch, parts, length, num_replicas]).encode()
    return Step(hlo, 400_000_000)


def make_estimator(*arguments, of_program=estimate_tpu.make_estimator):
    from bert_wwm.estimate import step  # imports TensorFlow, as the program does only here

    step.build_step = build_step
    return of_program(*arguments)


def print_what_was_done():
    print("SEEN", json.dumps(seen), file=sys.stderr)
    print("tensorflow" in sys.modules, file=sys.stderr)


sys.argv[0] = "estimate_tpu.py"
estimate_tpu.compile_for = compile_for
estimate_tpu.compiler_python = lambda log: sys.executable
estimate_tpu.make_estimator = make_estimator
atexit.register(print_what_was_done)
app.run(estimate_tpu.main)
