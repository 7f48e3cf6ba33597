"""Where AWS is, compared with what botocore's own partitions and endpoint rule sets say."""

from typing import Any

import pytest
from botocore.endpoint_provider import EndpointProvider
from botocore.loaders import Loader

from openclaude.credentials.policies import bedrock_origin, mantle_origin
from openclaude.domain.aws import PARTITIONS, host, partition

SERVICES = {"bedrock-runtime": "bedrock-runtime", "bedrock": "bedrock", "sts": "sts"}
LOADER = Loader()
TABLE = LOADER.load_data("partitions")
REGIONS = [
    (entry["id"], region)
    for entry in TABLE["partitions"]
    for region in entry["regions"]
    if not region.endswith("-global")  # the pseudo regions of services that have no region
]
UNKNOWN = [
    "us-east-9",
    "eu-nowhere-1",
    "cn-south-7",
    "us-gov-north-1",
    "eusc-de-west-2",
    "us-isob-north-3",
    "zz-far-1",
]
SWITCHES = [(fips, dualstack) for fips in (False, True) for dualstack in (False, True)]


def resolved(service: str, **parameters: Any) -> str:
    """What botocore's rule set answers; raises as botocore does."""
    rules = LOADER.load_service_model(service, "endpoint-rule-set-1")
    url = EndpointProvider(rules, TABLE).resolve_endpoint(**parameters).url
    assert isinstance(url, str)
    return url


@pytest.mark.parametrize("service", list(SERVICES))
def test_every_host_is_the_one_of_botocores_rule_set(service: str) -> None:
    compared = 0
    for _, region in [*REGIONS, *(("", name) for name in UNKNOWN)]:
        for fips, dualstack in SWITCHES:
            wanted = resolved(service, Region=region, UseFIPS=fips, UseDualStack=dualstack)
            assert f"https://{host(service, region, fips=fips, dualstack=dualstack)}" == wanted
            compared += 1
    assert compared >= 4 * 50


def test_every_region_is_in_the_partition_botocore_puts_it_in() -> None:
    assert {partition(region).name for _, region in REGIONS} == {entry["id"] for entry in TABLE["partitions"]}
    for name, region in REGIONS:
        assert partition(region).name == name


def test_the_partitions_are_botocores_with_their_suffixes() -> None:
    theirs = {
        entry["id"]: (entry["outputs"]["dnsSuffix"], entry["outputs"]["dualStackDnsSuffix"])
        for entry in TABLE["partitions"]
    }
    assert {found.name: (found.suffix, found.dual_stack) for found in PARTITIONS} == theirs


def test_every_partition_has_fips_and_dual_stack_endpoints_so_that_no_combination_has_to_be_refused() -> None:
    for entry in TABLE["partitions"]:
        assert entry["outputs"]["supportsFIPS"], entry["id"]
        assert entry["outputs"]["supportsDualStack"], entry["id"]


@pytest.mark.parametrize("region", ["us-west-2", "us-gov-west-1", "cn-north-1", "eusc-de-east-1"])
def test_the_runtimes_origin_is_on_port_443_of_that_host(region: str) -> None:
    origin = bedrock_origin(region, fips=True, dualstack=True)
    wanted = resolved("bedrock-runtime", Region=region, UseFIPS=True, UseDualStack=True)
    assert (str(origin), origin.port) == (wanted, 443)


def test_mantle_is_at_the_dual_stack_suffix() -> None:
    assert mantle_origin("eu-west-1").host == "bedrock-mantle.eu-west-1.api.aws"
