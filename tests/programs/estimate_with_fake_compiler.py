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

GIB = 2**30
seen = []


class Fake(Compiled):
    cycles = property(lambda self: int(self.hlo_text.split()[-1]))


def compile_for(hlo, tpu, num_replicas, log):
    batch, parts, _, replicas = json.loads(hlo)
    assert replicas == num_replicas and num_replicas in (1, tpu.compiled_devices)
    weights, temp = GIB, int(0.05 * GIB * batch / parts)
    if weights + temp > tpu.available_gib * GIB:
        raise DoesNotFit("too large", weights + temp)
    if temp > 14 * GIB:
        batch *= 2  # near the limit things are computed again
    flops = tpu.peak_flops * batch * 1e-3
    # A line without cycles, for what reads programs.
    text = "HloModule m\n\nENTRY %e (p: s32[]) -> s32[] {\n  ROOT %p = s32[] parameter(0)\n}\n"
    return Fake(weights, weights, temp, weights, flops, f"{text}// {batch * 1_880_000}")


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


def phase_estimator(*arguments, of_program=estimate_tpu.phase_estimator):
    from bert_wwm.estimate import step  # imports TensorFlow, as the program does only here

    step.build_step = build_step
    return of_program(*arguments)


def print_what_was_done():
    print("SEEN", json.dumps(seen), file=sys.stderr)
    print("tensorflow" in sys.modules, file=sys.stderr)


sys.argv[0] = "estimate_tpu.py"
estimate_tpu.compile_for = compile_for
estimate_tpu.compiler_python = lambda log: sys.executable
estimate_tpu.phase_estimator = phase_estimator
atexit.register(print_what_was_done)
app.run(estimate_tpu.main)
