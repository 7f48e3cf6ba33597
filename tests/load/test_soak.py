"""The short version of `make soak`: 200 streams, 40 readers that have stopped, and a stream in fifty goes wrong."""

import pytest

from load.soak import Load, run

pytestmark = pytest.mark.xdist_group("load")


def test_streams_arrive_whole_and_cost_what_is_documented_beside_stalled_and_broken_ones(tmp_path) -> None:
    load = Load(15, streams=200, stalled=40, lifetime=(4, 12), faults=0.02, settled=0)
    report = run(load, tmp_path)
    assert report.broken() == []
    assert report.whole > 200
    assert report.faulty
    assert report.descriptors["most"] > 300  # the streams were open at the same time, at both ends
