"""From the compiler's words to time, speed and money."""

import dataclasses
from types import SimpleNamespace

import pytest

from bert_wwm.estimate.numbers import GIB, Work, all_reduce_seconds, figures, totals, used_bytes
from bert_wwm.estimate.slices import slice_named

V3 = slice_named("v3-8")
WORK = Work(320, 1, 128, 100_000)


def compiled(cycles=470_000_000, flops=26e12, hlo_text=""):
    return SimpleNamespace(
        cycles=cycles,
        flops=flops,
        argument_bytes=int(1.25 * GIB),
        output_bytes=int(1.25 * GIB),
        alias_bytes=int(1.0 * GIB),
        temp_bytes=10 * GIB,
        hlo_text=hlo_text,
    )


def test_a_step_of_a_whole_slice():
    found = figures(compiled(), V3, WORK, reduced_bytes=0)
    assert found.estimated_megacycles == 470
    assert found.estimated_ms == found.step_ms == pytest.approx(500)  # at 940 MHz
    assert found.examples_per_second == pytest.approx(5120)
    assert found.tokens_per_second == pytest.approx(655_360)
    assert found.share_of_peak == pytest.approx(52e12 / 61.6e12)
    assert found.hours == pytest.approx(100_000 * 0.5 / 3600)
    assert found.days == pytest.approx(found.hours / 24)
    assert found.cost is None
    assert (found.argument_gib, found.temp_gib, found.memory_limit_gib) == (1.25, 10, 15.48)
    assert (found.unpriced_instructions, found.unpriced_gib) == (0, 0)


def test_outputs_that_overwrite_arguments_take_no_memory():
    assert used_bytes(compiled()) == pytest.approx((1.25 + 10 + 0.25) * GIB)
    assert figures(compiled(), V3, WORK, 0).used_gib == pytest.approx(11.5)


def test_the_network_adds_to_the_step():
    found = figures(compiled(), V3, WORK, reduced_bytes=440_000_000, price_per_hour=8.0)
    # Four chips, each with two neighbours at 656 Gbit/s: 2 x 3/4 x 440 MB at 164 GB/s.
    assert found.network_ms == pytest.approx(1e3 * 1.5 * 0.44e9 / 164e9)
    assert found.estimated_ms == pytest.approx(500)
    assert found.step_ms == pytest.approx(found.estimated_ms + found.network_ms)
    assert found.hours == pytest.approx(100_000 * found.step_ms / 3.6e6)
    assert found.cost == pytest.approx(8.0 * found.hours)
    assert found.share_of_peak < 52e12 / 61.6e12


def test_the_network_by_the_size_of_the_slice():
    pods = [slice_named(f"v3-{size}") for size in (32, 512, 2048)]
    seconds = [all_reduce_seconds(pod, 10**9) for pod in pods]
    assert seconds == sorted(seconds)
    assert seconds[-1] < 2e9 / pods[0].interconnect_bandwidth
    assert all_reduce_seconds(slice_named("v5e-1"), 10**9) == 0.0


def test_steps_that_are_not_known_take_no_hours():
    found = figures(compiled(), V3, WORK._replace(steps=None), 0, price_per_hour=8.0)
    assert (found.hours, found.days, found.cost) == (None, None, None)
    assert totals([found]) == {"hours": None, "days": None, "cost": None}


def test_phases_add_up():
    one = figures(compiled(), V3, WORK, 0, price_per_hour=8.0)
    two = dataclasses.replace(one, hours=10.0, days=10 / 24, cost=80.0)
    sums = totals([one, two])
    assert sums["hours"] == pytest.approx(one.hours + 10)
    assert sums["cost"] == pytest.approx(one.cost + 80)
    # Where one doesn't fit, nobody knows the sum.
    assert totals([one, None]) == {"hours": None, "days": None, "cost": None}
    without_price = dataclasses.replace(two, cost=None)
    assert totals([one, without_price])["cost"] is None
    assert totals([one, without_price])["hours"] is not None


def test_what_the_compiler_does_not_price_is_counted():
    hlo = """HloModule m, is_scheduled=true

ENTRY %main (a: f32[1000,256], i: s32[4096,1]) -> f32[4096,256] {
  %a = f32[1000,256]{1,0:T(8,128)} parameter(0)
  %i = s32[4096,1]{1,0:T(8,128)} parameter(1)
  ROOT %g = f32[4096,256]{1,0:T(8,128)} gather(%a, %i), offset_dims={1}, collapsed_slice_dims={0}, start_index_map={0}, index_vector_dim=1, slice_sizes={1,256}
}
"""  # noqa: E501
    found = figures(compiled(hlo_text=hlo), V3, WORK, 0)
    assert found.unpriced_instructions == 1
    assert found.unpriced_gib >= 4096 * 256 * 4 / GIB
