"""From the compiler's words to time, speed and money."""

import dataclasses

import pytest

from bert_wwm.estimate.compiler import Compiled
from bert_wwm.estimate.numbers import GIB, Work, all_reduce_seconds, compute_figures, sum_phases
from bert_wwm.estimate.profile import MATMUL, UNPRICED, Instruction
from bert_wwm.estimate.slices import slice_named

V3 = slice_named("v3-8")
WORK = Work(320, 1, 128, 100_000)


def compiled():
    return Compiled(
        argument_bytes=int(1.25 * GIB),
        output_bytes=int(1.25 * GIB),
        temp_bytes=10 * GIB,
        alias_bytes=int(1.0 * GIB),
        flops=26e12,
        instructions=[
            Instruction(470_000_000, 1, MATMUL, "heads, forward"),
            *[Instruction(0, 1, UNPRICED, "heads, forward")] * 6,
        ],
    )


def test_a_step_of_a_whole_slice():
    found = compute_figures(compiled(), V3, WORK, reduced_bytes=0)
    assert found.estimated_megacycles == 470
    assert found.estimated_ms == found.step_ms == pytest.approx(500)  # at 940 MHz
    assert found.examples_per_second == pytest.approx(5120)
    assert found.tokens_per_second == pytest.approx(655_360)
    assert found.share_of_peak == pytest.approx(52e12 / 61.6e12)
    assert found.hours == pytest.approx(100_000 * 0.5 / 3600)
    assert found.days == pytest.approx(found.hours / 24)
    assert found.cost is None
    assert (found.argument_gib, found.temp_gib, found.memory_limit_gib) == (1.25, 10, 15.48)
    assert found.unpriced_instructions == 6


def test_outputs_that_overwrite_arguments_take_no_memory():
    assert compiled().used_bytes == pytest.approx((1.25 + 10 + 0.25) * GIB)
    assert compute_figures(compiled(), V3, WORK, 0).used_gib == pytest.approx(11.5)


def test_the_network_adds_to_the_step():
    found = compute_figures(compiled(), V3, WORK, reduced_bytes=440_000_000, price_per_hour=8.0)
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
    found = compute_figures(compiled(), V3, WORK._replace(steps=None), 0, price_per_hour=8.0)
    assert (found.hours, found.days, found.cost) == (None, None, None)
    assert sum_phases([found]) == {"hours": None, "days": None, "cost": None}


def test_phases_add_up():
    one = compute_figures(compiled(), V3, WORK, 0, price_per_hour=8.0)
    two = dataclasses.replace(one, hours=10.0, days=10 / 24, cost=80.0)
    sums = sum_phases([one, two])
    assert sums["hours"] == pytest.approx(one.hours + 10)
    assert sums["cost"] == pytest.approx(one.cost + 80)
    # Where one doesn't fit, nobody knows the sum.
    assert sum_phases([one, None]) == {"hours": None, "days": None, "cost": None}
    without_price = dataclasses.replace(two, cost=None)
    assert sum_phases([one, without_price])["cost"] is None
    assert sum_phases([one, without_price])["hours"] is not None
