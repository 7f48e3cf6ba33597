"""Where things are in AWS: hosts of a region's services, partitions, and the regions an inference profile routes to.

The regions of each geo were put together in November 2026 from AWS's page "Supported Regions and models for inference
profiles" and from policies in use. AWS adds regions, and a profile of one model may route to fewer of them than its
geo has; what a profile really routes to is told by GetInferenceProfile, which `openclaude aws check` asks.

| geo | certainty |
|---|---|
| us | the three regions every US profile names; a few new models route to us-west-1 as well |
| eu | the six regions of the Claude profiles; Nova's name four of them |
| apac | seven regions of the older models; newer models have jp, au and in instead |
| jp, au, us-gov | two regions each, as AWS lists them |
| ca | ca-central-1 and ca-west-1, seen with Nova |
| in | ap-south-1 and ap-south-2; the least certain |
| global | any commercial region: AWS's policies name the calling region and the ARN without a region |
"""

from typing import Final

from openclaude.domain import aws
from openclaude.domain.http import Origin

GLOBAL: Final = "global"

DESTINATIONS: Final = {
    "us": ("us-east-1", "us-east-2", "us-west-2"),
    "eu": ("eu-central-1", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-3"),
    "apac": (
        "ap-northeast-1",
        "ap-northeast-2",
        "ap-northeast-3",
        "ap-south-1",
        "ap-south-2",
        "ap-southeast-1",
        "ap-southeast-2",
    ),
    "jp": ("ap-northeast-1", "ap-northeast-3"),
    "au": ("ap-southeast-2", "ap-southeast-4"),
    "ca": ("ca-central-1", "ca-west-1"),
    "in": ("ap-south-1", "ap-south-2"),
    "us-gov": ("us-gov-east-1", "us-gov-west-1"),
}


def geo_of(model_id: str) -> str | None:
    """The geo an inference profile id begins with; None for the id of a model.

    A geo is followed by a vendor and a model: `us.amazon.nova-pro-v1:0` has one, `ai21.jamba-1-5-large-v1:0` has not.
    """
    geo, _, rest = model_id.partition(".")
    return geo if (geo in DESTINATIONS or geo == GLOBAL) and "." in rest else None


def partition(region: str) -> str:
    """The partition in the ARNs of a region."""
    return aws.partition(region).name


def control_plane(region: str, *, fips: bool = False, dualstack: bool = False) -> Origin:
    """Bedrock's control plane: another host than the runtime's."""
    return Origin(aws.host("bedrock", region, fips=fips, dualstack=dualstack))


def sts(region: str, *, fips: bool = False, dualstack: bool = False) -> Origin:
    """The region's own endpoint of STS."""
    return Origin(aws.host("sts", region, fips=fips, dualstack=dualstack))
