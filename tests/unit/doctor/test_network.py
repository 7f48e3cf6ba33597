from pathlib import Path
from typing import Any

import pytest

from openclaude import __version__
from openclaude.doctor.network import _running
from openclaude.doctor.patient import Patient
from openclaude.launcher.control import Running
from support.patients import User


@pytest.fixture
def patient(tmp_path: Path) -> Patient:
    user = User(tmp_path, "login")
    return Patient(user.env, user.project, user.folder)


def said(patient: Patient, **facts: Any) -> list[tuple[str, str, str]]:
    """What is said of a gateway that says this of itself."""
    assert patient.config is not None
    right = {"version": __version__, "config": patient.digest, "port": patient.config.port}
    running = Running(**{**dict.fromkeys(Running.__slots__, 0), **right, **facts})
    return [(found.verdict, found.seen, found.remedy) for found in _running(patient, running)][1:]


def test_nothing_more_is_said_of_a_gateway_that_is_as_it_should_be(patient: Patient) -> None:
    assert said(patient) == []


def test_a_gateway_of_another_version_is_told(patient: Patient) -> None:
    seen = f"it is version 0.0.1, this command is {__version__}"
    assert said(patient, version="0.0.1") == [("warning", seen, "openclaude restart")]


def test_a_gateway_with_an_earlier_configuration_is_told(patient: Patient) -> None:
    [(verdict, seen, _)] = said(patient, config="0" * 64)
    assert (verdict, seen) == ("warning", "the configuration has changed since it started")


def test_a_gateway_that_could_have_its_port_back_is_told(patient: Patient) -> None:
    assert patient.config is not None
    seen = f"it is on port 1, and port {patient.config.port} is free again"
    assert said(patient, port=1) == [("warning", seen, "openclaude restart")]
