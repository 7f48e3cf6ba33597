"""AWS's partitions and the host names of its services: a table, so that no library has to be loaded to know them.

Source: botocore's `partitions.json` and endpoint rule sets of `bedrock-runtime`, `bedrock` and `sts`. A test compares
every region of every partition, with and without FIPS and dual-stack, with botocore's own resolver.
"""

import re
from dataclasses import dataclass
from typing import Final

BEARER: Final = "AWS_BEARER_TOKEN_BEDROCK"
"""The variable of a Bedrock API key."""
PLATFORM: Final = "aws-external-anthropic"
"""Claude Platform on AWS: its name in host names, in signatures and in IAM (AWS user guide of Claude Platform on AWS)."""
PLATFORM_KEY: Final = "ANTHROPIC_AWS_API_KEY"
"""The variable of its API key."""


@dataclass(frozen=True, slots=True)
class Partition:
    """A set of regions with DNS names and ARNs of its own.

    Attributes:
        name: as it stands in ARNs.
        suffix: of host names.
        dual_stack: the suffix of hosts that answer over IPv6 as well.
        regions: what the names of its regions look like.
    """

    name: str
    suffix: str
    dual_stack: str
    regions: re.Pattern[str]


PARTITIONS: Final = (
    Partition(
        "aws",
        "amazonaws.com",
        "api.aws",
        re.compile(r"(us|eu|ap|sa|ca|me|af|il|mx)-[a-z0-9_]+-\d+", re.ASCII),
    ),
    Partition(
        "aws-cn",
        "amazonaws.com.cn",
        "api.amazonwebservices.com.cn",
        re.compile(r"cn-[a-z0-9_]+-\d+", re.ASCII),
    ),
    Partition(
        "aws-eusc",
        "amazonaws.eu",
        "api.amazonwebservices.eu",
        re.compile(r"eusc-de-[a-z0-9_]+-\d+", re.ASCII),
    ),
    Partition("aws-iso", "c2s.ic.gov", "api.aws.ic.gov", re.compile(r"us-iso-[a-z0-9_]+-\d+", re.ASCII)),
    Partition(
        "aws-iso-b", "sc2s.sgov.gov", "api.aws.scloud", re.compile(r"us-isob-[a-z0-9_]+-\d+", re.ASCII)
    ),
    Partition(
        "aws-iso-e",
        "cloud.adc-e.uk",
        "api.cloud-aws.adc-e.uk",
        re.compile(r"eu-isoe-[a-z0-9_]+-\d+", re.ASCII),
    ),
    Partition(
        "aws-iso-f", "csp.hci.ic.gov", "api.aws.hci.ic.gov", re.compile(r"us-isof-[a-z0-9_]+-\d+", re.ASCII)
    ),
    Partition("aws-us-gov", "amazonaws.com", "api.aws", re.compile(r"us-gov-[a-z0-9_]+-\d+", re.ASCII)),
)


def partition(region: str) -> Partition:
    """The partition of a region; `aws` for one that looks like no other's, as botocore decides."""
    return next((found for found in PARTITIONS if found.regions.fullmatch(region)), PARTITIONS[0])


def host(service: str, region: str, *, fips: bool = False, dualstack: bool = False) -> str:
    """The public host of a service in a region.

    Args:
        service: the name in its host names: `bedrock-runtime`, `bedrock`, `sts`.
        region: has to be the name of a region; it is not checked here.
        fips: the endpoint with FIPS 140 validated cryptography.
        dualstack: the endpoint that answers over IPv6 as well.
    """
    place = partition(region)
    # STS in GovCloud is validated under its ordinary name (rule set of sts).
    named = fips and not (service == "sts" and place.name == "aws-us-gov" and not dualstack)
    suffix = place.dual_stack if dualstack else place.suffix
    return f"{service}{'-fips' if named else ''}.{region}.{suffix}"
