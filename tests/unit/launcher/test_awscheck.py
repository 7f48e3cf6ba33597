import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openclaude.launcher.awscheck import aws_problem, not_followed, region_of_shell

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
REMEDY = (
    "aws configure --profile {0}, aws sso login --profile {0}, "
    "or route all slots to Anthropic: openclaude config init --preset all-anthropic"
)
KEYS = "aws_access_key_id = id\naws_secret_access_key = invented\n"


class Machine:
    """A home folder with AWS files, and the maker's name the machine shows."""

    def __init__(self, folder: Path) -> None:
        self.home = folder
        self.dmi = folder / "dmi"
        self.dmi.mkdir()
        (folder / ".aws" / "sso" / "cache").mkdir(parents=True)
        self.config = folder / ".aws" / "config"
        self.credentials = folder / ".aws" / "credentials"

    def problem(self, profile: str | None = None, **env: str) -> str | None:
        return aws_problem(env, self.home, profile, NOW, dmi=self.dmi)

    def sso_token(self, session: str, **content: str) -> None:
        name = hashlib.sha1(session.encode(), usedforsecurity=False).hexdigest()
        (self.home / ".aws" / "sso" / "cache" / f"{name}.json").write_text(json.dumps(content))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_machine_without_anything_is_told_where_was_looked_and_what_to_do(machine: Machine) -> None:
    assert machine.problem() == (
        "no AWS credentials for the Bedrock route: none in the environment, "
        f"none in {machine.credentials} or {machine.config}: aws configure "
        '(or aws configure --profile openclaude, and profile = "openclaude" on the route), '
        "or route all slots to Anthropic: openclaude config init --preset all-anthropic"
    )


@pytest.mark.parametrize(
    "env",
    [
        pytest.param({"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "k"}, id="keys"),
        pytest.param({"AWS_BEARER_TOKEN_BEDROCK": "t"}, id="bearer token"),
        pytest.param({"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/x"}, id="container, relative"),
        pytest.param({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://x"}, id="container, full"),
    ],
)
def test_credentials_in_the_environment_are_enough(machine: Machine, env: dict[str, str]) -> None:
    assert machine.problem(**env) is None


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        ("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"),
    ],
)
def test_half_a_key_pair_is_named(machine: Machine, given: str, missing: str) -> None:
    assert machine.problem(**{given: "x"}) == (
        f"{given} is set in the environment but {missing} is not: set both, or neither and use a profile"
    )


def test_a_web_identity_needs_its_token_file(machine: Machine) -> None:
    token = machine.home / "token"
    env = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(token), "AWS_ROLE_ARN": "arn:aws:iam::1:role/x"}

    assert machine.problem(**env) is not None
    token.write_text("jwt")
    assert machine.problem(**env) is None


@pytest.mark.parametrize(
    ("file", "text"),
    [
        pytest.param("sys_vendor", "Amazon EC2\n", id="Nitro"),
        pytest.param("product_uuid", "EC2E1916-9099-7CAF-FD21-012345ABCDEF\n", id="Xen"),
    ],
)
def test_a_machine_of_amazon_may_have_a_role_of_its_own(machine: Machine, file: str, text: str) -> None:
    (machine.dmi / file).write_text(text)
    machine.config.write_text("[profile openclaude]\nregion = us-west-2\n")

    assert machine.problem() is None
    assert machine.problem("openclaude") is None
    assert machine.problem(AWS_EC2_METADATA_DISABLED="True") is not None


def test_another_makers_machine_has_no_role(machine: Machine) -> None:
    (machine.dmi / "sys_vendor").write_text("QEMU\n")

    assert machine.problem() is not None


def test_static_keys_of_the_default_profile_are_enough(machine: Machine) -> None:
    machine.credentials.write_text(f"[default]\n{KEYS}")

    assert machine.problem() is None


@pytest.mark.parametrize("heading", ["[default]", "[profile default]"])
def test_the_default_profile_may_be_in_the_config_file(machine: Machine, heading: str) -> None:
    machine.config.write_text(f"{heading}\n{KEYS}")

    assert machine.problem() is None


def test_a_profile_that_is_in_neither_file_is_named_with_both_files(machine: Machine) -> None:
    machine.credentials.write_text(f"[default]\n{KEYS}")
    expected = (
        f"AWS profile 'openclaude' is in neither {machine.config} nor {machine.credentials}: "
        f"{REMEDY.format('openclaude')}"
    )

    assert machine.problem("openclaude") == expected
    assert machine.problem(AWS_PROFILE="openclaude") == expected
    assert machine.problem(AWS_DEFAULT_PROFILE="openclaude") == expected
    assert (
        machine.problem(AWS_PROFILE="openclaude", AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="y")
        == expected
    )


def test_a_profile_split_over_both_files_is_found(machine: Machine) -> None:
    machine.config.write_text("[profile openclaude]\nregion = us-west-2\noutput = json\n")
    machine.credentials.write_text(f"[openclaude]\n{KEYS}")

    assert machine.problem("openclaude") is None


def test_a_quoted_and_padded_heading_is_understood(machine: Machine) -> None:
    machine.config.write_text(f'[profile   "my profile"]\n{KEYS}\n')

    assert machine.problem("my profile") is None


def test_the_files_may_be_elsewhere(machine: Machine) -> None:
    (machine.home / "conf").write_text("[profile a]\nregion = x\n")
    (machine.home / "cred").write_text(f"[a]\n{KEYS}")
    env = {
        "AWS_CONFIG_FILE": str(machine.home / "conf"),
        "AWS_SHARED_CREDENTIALS_FILE": str(machine.home / "cred"),
    }

    assert machine.problem("a", **env) is None
    assert machine.problem("b", **env) == (
        f"AWS profile 'b' is in neither {machine.home}/conf nor {machine.home}/cred: {REMEDY.format('b')}"
    )


def test_a_profile_without_credentials_is_named(machine: Machine) -> None:
    machine.config.write_text("[profile a]\nregion = us-west-2\n")

    assert (
        machine.problem("a")
        == f"AWS profile 'a' in {machine.config} has no credentials: {REMEDY.format('a')}"
    )
    assert machine.problem("a", AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="y") is not None
    assert machine.problem(AWS_PROFILE="a", AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="y") is None


@pytest.mark.parametrize("missing", ["aws_access_key_id", "aws_secret_access_key"])
def test_a_profile_with_half_a_key_pair_is_named(machine: Machine, missing: str) -> None:
    machine.credentials.write_text(
        "[a]\n" + "\n".join(line for line in KEYS.splitlines() if missing not in line)
    )

    assert machine.problem("a") == (
        f"AWS profile 'a' has no {missing} in {machine.credentials}: {REMEDY.format('a')}"
    )


def test_a_profile_whose_credentials_come_from_a_program_is_plausible(machine: Machine) -> None:
    machine.config.write_text("[profile a]\ncredential_process = /bin/helper\n")

    assert machine.problem("a") is None


def test_an_aws_login_session_is_told_to_need_a_part_that_botocore_does_not_bring(machine: Machine) -> None:
    machine.config.write_text("[profile a]\nlogin_session = arn:aws:iam::1:user/x\n")

    assert (machine.problem("a") or "").startswith(
        "AWS profile 'a' is an `aws login` session, which botocore reads only with its crt part: "
        'pip install "botocore[crt]" in the environment of openClaude, or '
    )


def test_a_role_that_wants_an_mfa_code_is_refused_before_anyone_is_asked_for_it(machine: Machine) -> None:
    machine.config.write_text(
        "[profile a]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = a\nmfa_serial = arn:aws:iam::1:mfa/x\n"
        + KEYS
    )

    assert (machine.problem("a") or "").startswith(
        f"[profile a] in {machine.config} has mfa_serial, and nobody is there to type the code: "
    )


def test_a_reference_to_a_missing_sso_session_names_file_and_section(machine: Machine) -> None:
    machine.config.write_text("[profile openclaude]\nsso_session = work\nsso_account_id = 1\n")

    assert machine.problem("openclaude") == (
        f"AWS profile 'openclaude' refers to sso_session = work, but {machine.config} has no [sso-session work]: "
        "aws configure sso --profile openclaude, "
        "or route all slots to Anthropic: openclaude config init --preset all-anthropic"
    )


@pytest.mark.parametrize(
    ("token", "usable"),
    [
        pytest.param({}, False, id="no token in it"),
        pytest.param({"expiresAt": "2026-11-22T13:00:00Z"}, True, id="fresh"),
        pytest.param({"expiresAt": "2026-11-22T13:00:00UTC"}, True, id="fresh, old spelling"),
        pytest.param({"expiresAt": "2026-11-22T13:00:00"}, True, id="fresh, no zone"),
        pytest.param({"expiresAt": "2026-11-22T11:00:00Z"}, False, id="run out"),
        pytest.param({"expiresAt": "soon"}, False, id="no time"),
        pytest.param(
            {
                "expiresAt": "2026-11-22T11:00:00Z",
                "refreshToken": "r",
                "registrationExpiresAt": "2027-01-01T00:00:00Z",
            },
            True,
            id="run out but renewable",
        ),
        pytest.param(
            {
                "expiresAt": "2026-11-22T11:00:00Z",
                "refreshToken": "r",
                "registrationExpiresAt": "2026-01-01T00:00:00Z",
            },
            False,
            id="no longer renewable",
        ),
    ],
)
@pytest.mark.parametrize(
    ("config", "session"),
    [
        pytest.param(
            "[profile a]\nsso_session = work\n[sso-session work]\nsso_region = x\n", "work", id="session"
        ),
        pytest.param(
            "[profile a]\nsso_start_url = https://x.example/start\n", "https://x.example/start", id="legacy"
        ),
    ],
)
def test_an_sso_login_must_be_fresh_or_renewable(
    machine: Machine, config: str, session: str, token: dict[str, str], *, usable: bool
) -> None:
    machine.config.write_text(config)
    needs_login = f"AWS profile 'a' in {machine.config} uses SSO and is not logged in, or no longer: aws sso login --profile a"

    assert machine.problem("a") == needs_login
    machine.sso_token(session, **token)
    assert machine.problem("a") == (None if usable else needs_login)


@pytest.mark.parametrize("content", ["[]", "{"])
def test_a_broken_sso_cache_counts_as_no_login(machine: Machine, content: str) -> None:
    machine.config.write_text("[profile a]\nsso_start_url = u\n")
    machine.sso_token("u")
    next((machine.home / ".aws" / "sso" / "cache").iterdir()).write_text(content)

    assert machine.problem("a") is not None


def test_a_role_is_as_good_as_its_source(machine: Machine) -> None:
    machine.config.write_text(
        "[profile a]\nrole_arn = r\nsource_profile = b\n[profile b]\nrole_arn = r\n" + KEYS
    )

    assert machine.problem("a") is None


def test_a_missing_source_profile_is_named_with_who_names_it(machine: Machine) -> None:
    machine.config.write_text("[profile a]\nrole_arn = r\nsource_profile = b\n")

    assert machine.problem("a") == (
        f"AWS profile 'b', named as source_profile by profile 'a', is in neither {machine.config} "
        f"nor {machine.credentials}: {REMEDY.format('b')}"
    )


def test_a_role_without_a_source_is_named(machine: Machine) -> None:
    machine.config.write_text("[profile a]\nrole_arn = r\n")

    assert machine.problem("a") == (
        f"[profile a] in {machine.config} has role_arn but no source_profile: "
        "add source_profile = <a profile with credentials>"
    )


def test_roles_that_name_each_other_are_a_circle(machine: Machine) -> None:
    machine.config.write_text(
        "[profile a]\nrole_arn = r\nsource_profile = b\n[profile b]\nrole_arn = r\nsource_profile = a\n"
    )

    assert machine.problem("a") == (
        f"[profile b] in {machine.config}: source_profile = a goes round in a circle: "
        "name a profile with credentials"
    )


def test_a_role_that_is_its_own_source_needs_keys(machine: Machine) -> None:
    machine.config.write_text("[profile a]\nrole_arn = r\nsource_profile = a\n")
    assert "goes round in a circle" in (machine.problem("a") or "")

    machine.credentials.write_text(f"[a]\n{KEYS}")
    assert machine.problem("a") is None


@pytest.mark.parametrize("source", ["Environment", "EcsContainer", "Ec2InstanceMetadata"])
def test_a_role_may_come_from_a_service(machine: Machine, source: str) -> None:
    machine.config.write_text(f"[profile a]\nrole_arn = r\ncredential_source = {source}\n")

    assert machine.problem("a") is None


def test_an_unknown_credential_source_is_named_with_the_known_ones(machine: Machine) -> None:
    machine.config.write_text("[profile a]\nrole_arn = r\ncredential_source = Moon\n")

    assert machine.problem("a") == (
        f"[profile a] in {machine.config}: credential_source = Moon is none of "
        "Ec2InstanceMetadata, EcsContainer, Environment"
    )


def test_a_role_with_a_web_identity_needs_its_token_file(machine: Machine) -> None:
    token = machine.home / "token"
    machine.config.write_text(f"[profile a]\nrole_arn = r\nweb_identity_token_file = {token}\n")

    assert machine.problem("a") == (
        f"[profile a] in {machine.config}: the web identity token file {token} is not there: "
        "mount it, or route all slots to Anthropic: openclaude config init --preset all-anthropic"
    )
    token.write_text("jwt")
    assert machine.problem("a") is None


def test_a_file_that_cannot_be_parsed_is_named(machine: Machine) -> None:
    machine.config.write_text("region = no heading\n")

    problem = machine.problem("a") or ""

    assert problem.startswith(f"{machine.config} cannot be read: File contains no section headers.")
    assert problem.endswith(
        "mend the file, or route all slots to Anthropic: openclaude config init --preset all-anthropic"
    )
    assert "\n" not in problem


def test_a_file_that_is_a_folder_is_named(machine: Machine) -> None:
    machine.credentials.mkdir()

    assert (machine.problem("a") or "").startswith(f"{machine.credentials} cannot be read: ")


def test_a_moment_is_compared_in_its_own_zone(machine: Machine) -> None:
    machine.config.write_text("[profile a]\nsso_start_url = u\n")
    east = NOW.replace(tzinfo=None) + timedelta(hours=1)
    machine.sso_token("u", expiresAt=f"{east.isoformat()}+02:00")

    assert machine.problem("a") is not None


@pytest.mark.parametrize(
    ("env", "config", "named"),
    [
        ({"AWS_USE_FIPS_ENDPOINT": "true"}, "", "AWS_USE_FIPS_ENDPOINT is not followed: write fips = true"),
        (
            {"AWS_USE_DUALSTACK_ENDPOINT": "True"},
            "",
            "AWS_USE_DUALSTACK_ENDPOINT is not followed: write dualstack",
        ),
        (
            {},
            "[default]\nuse_fips_endpoint = true\n",
            "use_fips_endpoint of profile 'default' is not followed",
        ),
        (
            {"AWS_PROFILE": "gov"},
            "[profile gov]\nuse_dualstack_endpoint = true\n",
            "use_dualstack_endpoint of profile 'gov' is not followed",
        ),
        (
            {"AWS_ENDPOINT_URL": "https://x.example"},
            "",
            "AWS_ENDPOINT_URL is not followed: write endpoint_url",
        ),
        (
            {"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "https://x.example"},
            "",
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME is not followed: write endpoint_url",
        ),
    ],
)
def test_what_would_move_an_endpoint_is_named_with_the_key_to_write(
    machine: Machine, env: dict[str, str], config: str, named: str
) -> None:
    machine.config.write_text(config)
    [said] = not_followed(env, machine.home, None, fips=False, dualstack=False)
    assert said.startswith(named)
    assert "x.example" not in said
    assert not_followed({}, machine.home, None, fips=True, dualstack=True) == []


def test_a_switch_of_the_shell_that_the_route_has_too_is_not_mentioned(machine: Machine) -> None:
    env = {"AWS_USE_FIPS_ENDPOINT": "true", "AWS_USE_DUALSTACK_ENDPOINT": "false"}
    assert not_followed(env, machine.home, "any", fips=True, dualstack=False) == []


def test_the_shells_region_is_the_first_of_the_variables_and_the_profile(machine: Machine) -> None:
    machine.config.write_text("[default]\nregion = eu-west-1\n[profile work]\nregion = eu-west-2\n")
    env = {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-2", "AWS_PROFILE": "work"}
    found = []
    while True:
        found.append(region_of_shell(env, machine.home))
        if not env:
            break
        del env[min(env, key=["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"].index)]
    assert found == ["us-east-1", "us-east-2", "eu-west-2", "eu-west-1"]
    machine.config.unlink()
    assert region_of_shell({}, machine.home) is None
