import pytest

from openclaude.preflight.places import DESTINATIONS, control_plane, geo_of, partition, sts


@pytest.mark.parametrize(
    ("model", "geo"),
    [
        ("us.amazon.nova-pro-v1:0", "us"),
        ("us-gov.anthropic.claude-sonnet-4-6", "us-gov"),
        ("global.moonshotai.kimi-k3", "global"),
        ("in.moonshotai.kimi-k3", "in"),
        ("qwen.qwen3-coder-next", None),
        ("deepseek.v3.2", None),
        ("au.something", None),
        ("ai21.jamba-1-5-large-v1:0", None),
    ],
)
def test_a_geo_is_a_known_prefix_before_a_vendor_and_a_model(model: str, geo: str | None) -> None:
    assert geo_of(model) == geo


@pytest.mark.parametrize(
    ("region", "name"),
    [
        ("us-west-2", "aws"),
        ("cn-north-1", "aws-cn"),
        ("us-gov-west-1", "aws-us-gov"),
        ("eusc-de-east-1", "aws-eusc"),
    ],
)
def test_a_region_is_in_one_partition(region: str, name: str) -> None:
    assert partition(region) == name


def test_the_three_services_have_three_hosts_and_china_has_its_own_suffix() -> None:
    assert control_plane("us-west-2").host == "bedrock.us-west-2.amazonaws.com"
    assert sts("eu-west-1").host == "sts.eu-west-1.amazonaws.com"
    assert sts("cn-north-1").host == "sts.cn-north-1.amazonaws.com.cn"


def test_no_geo_names_a_region_twice() -> None:
    for regions in DESTINATIONS.values():
        assert list(regions) == sorted(set(regions))
