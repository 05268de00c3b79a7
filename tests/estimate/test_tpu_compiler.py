"""The compiler, by a Python that only seems to have it, and the real one where it can be had."""

import json
import os
import re

import pytest
from skips import TPU_COMPILER

from bert_wwm.core.errors import ConfigError
from bert_wwm.estimate import environment
from bert_wwm.estimate.compiler import DoesNotFit, compile_for
from bert_wwm.estimate.environment import compiler_python
from bert_wwm.estimate.slices import slice_named

ANSWER = {
    "argument_bytes": 1000,
    "output_bytes": 900,
    "temp_bytes": 2000,
    "alias_bytes": 800,
    "flops": 1e6,
}
PROGRAM = """\
HloModule step

%body (p.1: (s32[], bf16[64,64])) -> (s32[], bf16[64,64]) {
  %p.1 = (s32[], bf16[64,64]{1,0}) parameter(0)
  %n = s32[] get-tuple-element(%p.1), index=0
  %x = bf16[64,64]{1,0} get-tuple-element(%p.1), index=1
  %y = bf16[64,64]{1,0} convolution(%x, %x), dim_labels=bf_io->bf, c={"estimated_cycles":"100"}
  ROOT %t = (s32[], bf16[64,64]{1,0}) tuple(%n, %y)
}

ENTRY %main (b: (s32[], bf16[64,64])) -> (s32[], bf16[64,64]) {
  %b = (s32[], bf16[64,64]{1,0}) parameter(0)
  ROOT %w = (s32[], bf16[64,64]{1,0}) while(%b), body=%body, c={"known_trip_count":{"n":"4"}}
}
"""
OUT_OF_MEMORY = (
    "RESOURCE_EXHAUSTED: E1000: CompileTimeHbmOom: Ran out of memory on HBM, the total memory "
    "required for HLO temporaries (22.37G) exceeds available HBM (15.48G). HLO module: step."
)
# The worker's arguments begin with the module and the file for the optimised program.
PYTHON = """\
#!/bin/sh
echo "$@" > {folder}/arguments
env > {folder}/environment
before=$3; module=$4
{act}
"""


@pytest.fixture
def pretend(tmp_path, monkeypatch):
    """Returns a function that makes a Python do what a shell script says, whatever it is asked."""

    def make(act):
        path = tmp_path / "python"
        path.write_text(PYTHON.format(folder=tmp_path, act=act))
        path.chmod(0o755)
        monkeypatch.setenv(environment.VARIABLE, str(path))

    return make


def test_what_the_compiler_says(pretend, tmp_path, monkeypatch):
    (tmp_path / "optimised").write_text(PROGRAM)
    pretend(f"[ -e \"$before\" ] && gzip -c {tmp_path}/optimised > $module\n"
            f"echo 'some line of a library'\necho '{json.dumps(ANSWER)}'")  # fmt: skip
    monkeypatch.setenv("XLA_FLAGS", "--of=tensorflow")
    compiled = compile_for(b"module", 1, slice_named("v3-8"), 8, print)
    assert (compiled.argument_bytes, compiled.temp_bytes) == (1000, 2000)
    assert compiled.cycles == 400
    assert compiled.flops == 4 * 1e6, "the compiler counts one round of the loop"
    assert compiled.used_bytes == 1000 + 2000 + 900 - 800
    arguments = (tmp_path / "arguments").read_text()
    worker, module, *_ = re.fullmatch(
        r"-I (\S+/worker\.py) (\S+) (\S+) v3:2x2 default 8\n", arguments
    ).groups()
    assert os.path.exists(worker)
    assert not os.path.exists(module), "temporary files are left over"
    surroundings = (tmp_path / "environment").read_text()
    assert "XLA_FLAGS" not in surroundings
    assert "TPU_SKIP_MDS_QUERY=1" in surroundings


def test_it_does_not_fit(pretend):
    error = {"error": "RESOURCE_EXHAUSTED", "message": OUT_OF_MEMORY}
    pretend(f"echo '{json.dumps(error)}'")
    with pytest.raises(DoesNotFit, match="Ran out of memory") as told:
        compile_for(b"module", 1, slice_named("v3-8"), 1, print)
    assert told.value.needed_bytes == int(22.37 * 2**30)


def test_how_much_it_needs_may_be_unknown(pretend):
    error = {"error": "RESOURCE_EXHAUSTED", "message": "RESOURCE_EXHAUSTED: of vmem"}
    pretend(f"echo '{json.dumps(error)}'")
    with pytest.raises(DoesNotFit) as told:
        compile_for(b"module", 1, slice_named("v3-8"), 1, print)
    assert told.value.needed_bytes is None


def test_the_compiler_refuses(pretend):
    error = {"error": "UNIMPLEMENTED", "message": "UNIMPLEMENTED: no such thing"}
    pretend(f"echo '{json.dumps(error)}'")
    with pytest.raises(ConfigError, match=r"for v2-8: UNIMPLEMENTED: no such thing"):
        compile_for(b"module", 1, slice_named("v2-8"), 1, print)


def test_the_compiler_dies(pretend):
    pretend(
        'case "$*" in *worker*) echo "first" >&2; echo "F1 Check failed: x" >&2; exit 134 ;; esac'
    )
    with pytest.raises(ConfigError, match=r"ended with status 134: F1 Check failed: x$"):
        compile_for(b"module", 1, slice_named("v3-8"), 1, print)


def test_more_replicas_than_devices():
    with pytest.raises(ValueError, match="16 replicas on 8 devices"):
        compile_for(b"module", 1, slice_named("v3-32"), 16, print)


@pytest.fixture(scope="module")
def compiler():
    """The real one, which is set up where that is possible."""
    try:
        return compiler_python(print)
    except ConfigError as error:
        pytest.skip(f"{TPU_COMPILER}: {error}")


def module_of(function, *shapes):
    """Returns what tf2xla makes of a function of bfloat16 arrays."""
    import tensorflow

    compiled = tensorflow.function(function, jit_compile=True)
    specs = [tensorflow.TensorSpec(shape, tensorflow.bfloat16) for shape in shapes]
    return compiled.experimental_get_compiler_ir(*specs)(stage="hlo_serialized")


def matmul(left, right):
    import tensorflow

    return tensorflow.matmul(left, right)


@pytest.mark.slow
@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize(
    "name",
    [
        "v3-8",
        "v5e-8",
        *(
            pytest.param(name, marks=pytest.mark.long)
            for name in ("v2-8", "v3-32", "v4-8", "v5e-1", "v6e-4")
        ),
    ],
)
def test_a_large_matmul_comes_near_the_peak(name):
    tpu = slice_named(name)
    size = 4096
    compiled = compile_for(
        module_of(matmul, [size, size], [size, size]), 1, tpu, tpu.compiled_devices, print
    )
    assert compiled.flops == 2 * size**3
    assert compiled.argument_bytes == 2 * 2 * size**2
    share = compiled.flops / (compiled.cycles / tpu.clock_hz) / tpu.peak_flops
    assert 0.5 < share < 1.02


@pytest.mark.slow
@pytest.mark.usefixtures("compiler")
def test_what_is_too_large_is_told_by_the_compiler():
    def product_and_sum(left, right):
        found = matmul(left, right)
        return found, found + 1

    with pytest.raises(DoesNotFit) as error:
        compile_for(
            module_of(product_and_sum, [120000, 1000], [1000, 60000]),
            1,
            slice_named("v3-8"),
            1,
            print,
        )
    assert error.value.needed_bytes > 16 * 2**30
