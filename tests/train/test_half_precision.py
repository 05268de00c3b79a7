import pytest

from bert_wwm.train import half_precision

PLAIN = "flags\t\t: fpu avx2 avx512f\n"


@pytest.mark.parametrize(
    "use_tpu, cpu_info, count",
    [
        (False, PLAIN, 1),
        (True, PLAIN, 0),
        (False, "flags\t\t: fpu avx512f amx_bf16 amx_tile\n", 0),
        (False, "flags\t\t: fpu avx512_bf16\n", 0),
        (False, "processor\t: 0\nFeatures\t: fp asimd bf16\n", 0),
        (False, None, 0),
    ],
)
def test_cpus_without_bfloat16_are_told(tmp_path, monkeypatch, use_tpu, cpu_info, count):
    path = tmp_path / "cpuinfo"
    if cpu_info is not None:
        path.write_text(cpu_info, encoding="ascii")
    monkeypatch.setattr(half_precision, "_CPU_INFO", str(path))
    lines = []
    half_precision.check_half_precision(use_tpu, False, lines.append)
    assert len(lines) == count
    assert all("so steps take longer than in float32" in line for line in lines)


def test_float16_is_not_for_cpus():
    lines = []
    half_precision.check_half_precision(False, True, lines.append)
    assert lines == ["--use_float16: is for GPUs; on a CPU steps take longer than in float32"]
