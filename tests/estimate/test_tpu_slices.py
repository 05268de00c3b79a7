"""TPU slices by name."""

import pytest

from bert_wwm.core.errors import ConfigError
from bert_wwm.estimate.slices import SLICES, slice_named


def test_a_host_of_v3_is_eight_cores():
    tpu = slice_named("v3-8")
    assert (tpu.topology, tpu.chip_config) == ("v3:2x2", "default")
    assert (tpu.cores, tpu.compiled_devices, tpu.chips) == (8, 8, 4)
    assert tpu.device == "core"
    assert tpu.clock_hz == 940e6
    assert tpu.peak_flops == pytest.approx(61.6e12)


def test_a_pod_slice_is_compiled_for_one_host():
    pod = slice_named("v3-32")
    assert pod.topology == "v3:2x2"
    assert (pod.cores, pod.compiled_devices, pod.chips) == (32, 8, 16)
    assert pod.peak_flops == slice_named("v3-8").peak_flops


def test_two_cores_of_a_v4_chip_are_one_device():
    tpu = slice_named("v4-8")
    assert (tpu.topology, tpu.chip_config) == ("v4:2x2x1", "megacore")
    assert (tpu.cores, tpu.compiled_devices, tpu.chips) == (4, 4, 4)
    assert tpu.device == "chip"
    assert tpu.peak_flops == 275e12


@pytest.mark.parametrize(
    ("name", "topology", "cores"),
    [("v5e-1", "v5e:1x1", 1), ("v5e-4", "v5e:2x2", 4), ("v6e-8", "v6e:2x4", 8)],
)
def test_v5e_and_v6e_count_chips(name, topology, cores):
    tpu = slice_named(name)
    assert (tpu.topology, tpu.cores, tpu.compiled_devices) == (topology, cores, cores)


def test_a_large_slice_of_v5e_is_compiled_for_eight_chips():
    assert slice_named("v5e-16").topology == "v5e:2x4"


def test_v5e_by_the_longer_name_as_well():
    assert slice_named("v5litepod-8") is slice_named("v5e-8")


@pytest.mark.parametrize(
    ("name", "share"),
    [("v3-8", 2 / 4), ("v3-32", 1), ("v4-8", 2 / 6), ("v5e-1", 0), ("v6e-8", 0.5)],
)
def test_links_that_lead_out_of_the_slice_carry_nothing(name, share):
    tpu = slice_named(name)
    of_all = slice_named(f"{name.split('-')[0]}-256").interconnect_bandwidth
    assert tpu.interconnect_bandwidth == pytest.approx(share * of_all)


@pytest.mark.parametrize("name", SLICES.names())
def test_peak_is_what_the_matrix_units_do_in_a_cycle(name):
    """Whole units of 128 x 128, but for what the published peak is rounded by."""
    tpu = slice_named(name)
    units = tpu.peak_flops / tpu.clock_hz / (2 * 128 * 128)
    assert units == pytest.approx(round(units), rel=0.02)
    assert tpu.cores >= tpu.compiled_devices
    assert 7 < tpu.available_gib < 96


def test_an_unknown_name_names_the_nearest():
    with pytest.raises(ConfigError, match=r"unknown TPU slice 'v3-9'; known: v2-8, .*'v3-"):
        slice_named("v3-9")
