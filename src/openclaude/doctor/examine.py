"""The whole examination, in the order in which a user would look."""

from collections.abc import Callable, Iterator
from typing import Final

from openclaude.doctor.aws import Preflight, aws
from openclaude.doctor.certificate import certificate
from openclaude.doctor.client import client, login
from openclaude.doctor.features import auto_mode, features
from openclaude.doctor.files import disk, files
from openclaude.doctor.findings import Finding
from openclaude.doctor.models import configuration, models
from openclaude.doctor.network import gateway, proxies
from openclaude.doctor.patient import Patient
from openclaude.doctor.shadows import shadows

Check = Callable[[Patient], Iterator[Finding]]

CHECKS: Final[tuple[Check, ...]] = (
    client,
    login,
    shadows,
    proxies,
    files,
    disk,
    configuration,
    models,
    certificate,
    gateway,
    features,
    auto_mode,
)


def examine(patient: Patient, preflight: Preflight | None) -> Iterator[Finding]:
    """Every finding, as soon as it is there.

    Args:
        patient: who is examined.
        preflight: asks AWS; None leaves the network alone.
    """
    for check in CHECKS:
        yield from check(patient)
    yield from aws(patient, preflight)
