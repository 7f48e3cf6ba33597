"""`openclaude prove` without Claude Code: every way through the gateway, every credential at every destination."""

import http.client
import json
import resource
from pathlib import Path

import pytest

from openclaude.demo.oracle import holds
from openclaude.proof.canaries import CLIENT, DESTINATIONS, FILES, PROCESSES, STRANGER
from openclaude.proof.run import _drive_lanes, _Evidence
from openclaude.proof.sink import Sink
from support.patience import DEADLINE
from support.product import Home

pytestmark = pytest.mark.xdist_group("prove")


def cpu_seconds() -> float:
    """What this process's children have computed so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_the_proof_passes_and_files_a_report(home: Home, tmp_path: Path) -> None:
    report = tmp_path / "report.md"
    before = cpu_seconds()
    done = home.run("prove", "--json", "--report", str(report))
    assert done.returncode == 0, done.stdout + done.stderr
    assert cpu_seconds() - before < 60  # of computing, which other load on the machine does not change
    found = json.loads(done.stdout)
    assert found["ok"]
    assert found["seconds"] > 0
    assert len({row["credential"] for row in found["sightings"]}) >= 16
    assert {row["destination"] for row in found["sightings"]} == set(DESTINATIONS)
    assert all(way["ok"] for way in found["ways"])
    assert {way["answered_by"] for way in found["ways"]} == {
        "anthropic",
        "bedrock",
        "bedrock's Messages endpoint",
        "Claude Platform on AWS",
    }
    assert "no `claude` on the PATH: the proof is made without it" in done.stderr
    assert report.read_text().startswith("# Where credentials go: a test of openClaude\n")
    assert not (home.path / ".openClaude").exists()


def test_the_tables_are_printed(home: Home) -> None:
    done = home.run("prove")
    assert done.returncode == 0
    lines = {line.split("  ")[0]: line.split()[-8:] for line in done.stdout.splitlines()}
    assert lines["plan login"] == ["arrived", *"-------"]
    assert lines["Bedrock API key"] == ["-", "arrived", *"------"]
    assert lines["SSO token"] == [*"--------"]


def test_a_report_that_cannot_be_written_is_said(home: Home) -> None:
    done = home.run("prove", "--report", "/no/such/folder/report.md")
    assert done.returncode == 1
    assert "/no/such/folder/report.md cannot be written" in done.stderr


def test_the_evidence_holds_what_was_sent_so_that_a_leak_would_be_in_it(home: Home) -> None:
    evidence = _Evidence()
    with Sink() as sink:
        results, canaries = _drive_lanes(home.env, sink, evidence, lambda _text: None)
        assert sink.received == b""
    assert all(result.good for result in results)
    by = {name: b"".join(pieces) for name, pieces in evidence.by.items()}
    for canary in canaries:
        if canary.goes_to:
            assert canary.value.encode() in by[canary.goes_to] or holds(by[canary.goes_to], canary.value)
    assert b"openclaude\0serve" in by[PROCESSES]
    assert b"event=started" in by[FILES]
    assert b"in Lyon it is" in by[CLIENT]


def test_a_sink_keeps_everything_it_is_sent() -> None:
    with Sink() as sink:
        connection = http.client.HTTPConnection(sink.url.removeprefix("http://"), timeout=DEADLINE)
        connection.request(
            "POST", "http://api.anthropic.com/v1/messages", b"the body", {"authorization": "the login"}
        )
        assert connection.getresponse().status == 502
        connection.close()
    assert b"authorization: the login" in sink.received
    assert STRANGER in DESTINATIONS
