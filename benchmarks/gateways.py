"""The gateways: one function for each. To add one, write one; benchmarks/README.md has an example.

A function is given a `Place` and answers a `Program`: what to run, in the foreground, so that it listens on `place.port` and
sends to `place.upstream_url`. Keys are invented and belong to nobody.
"""

import json
import os
import sys
from collections.abc import Mapping
from functools import partial
from importlib import metadata
from typing import Any, Final

from benchmarks import installing, ours
from benchmarks.bodies import BEDROCK, CLAUDE
from benchmarks.kinds import MODES, Facts, Place, Program, Way
from benchmarks.paths import ROOT
from benchmarks.registry import GATEWAYS, absent, environment, found, gateway, peer

__all__ = ("GATEWAYS", "environment", "gateway")

_KEY: Final = "sk-benchmark"
_REGION: Final = "us-west-2"
_MODEL: Final = "anthropic.claude-sonnet-4-5-20250929-v1:0"


@gateway(
    "openclaude",
    modes=MODES,
    translates=True,
    exact=True,
    kind="ours",
    facts=Facts(lambda: metadata.version("openclaude"), ours.size),
)
def openclaude(place: Place) -> Program:
    """The production gateway: two processes, all three doors, log, wall, metering. See `ours.py`."""
    return ours.program(place)


def _nginx_tls(place: Place) -> Mapping[str, str]:
    """What nginx's configuration says of TLS: `listen`, `accept` and `upstream`."""
    made = place.certificates
    upstream = (
        "proxy_ssl_server_name on; proxy_ssl_name localhost; proxy_ssl_verify on; proxy_ssl_protocols TLSv1.3; "
        f"proxy_ssl_trusted_certificate {made.authority};"
    )
    accept = (
        f"ssl_certificate {made.server}; ssl_certificate_key {made.server_key}; ssl_protocols TLSv1.3; "
        f"ssl_client_certificate {made.authority}; ssl_verify_client on;"
    )
    return {
        "listen": " ssl" if place.mode == "mutual" else "",
        "accept": accept if place.mode == "mutual" else "",
        "upstream": "" if place.mode == "http" else upstream,
    }


def _nginx(place: Place, body_buffers: str) -> Program:
    tls = _nginx_tls(place)
    folders = " ".join(
        f"{name}_temp_path {place.folder}/{name};"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;" if os.getuid() == 0 else ""
    config = place.write(
        "nginx.conf",
        f"""{user} worker_processes 1; daemon off; pid {place.folder}/nginx.pid; error_log {place.folder}/error.log;
events {{ worker_connections 8192; }}
http {{
  access_log off; {folders} client_max_body_size 64m; {body_buffers} keepalive_requests 100000000; keepalive_timeout 600s;
  upstream provider {{ server 127.0.0.1:{place.upstream_port}; keepalive 1024; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{place.port}{tls["listen"]} backlog=4096; {tls["accept"]}
    location / {{
      proxy_pass {place.upstream_url.partition(":")[0]}://provider; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off; proxy_request_buffering off; {tls["upstream"]}
    }}
  }}
}}
""",
    )
    way = partial(_mutual_way, place) if place.mode == "mutual" else None
    return Program([found("nginx"), "-c", str(config), "-e", f"{place.folder}/error.log"], way=way)


def _mutual_way(place: Place) -> Way:
    made = place.certificates
    return Way(place.port, authority=made.authority, certificate=made.client, key=made.client_key)


_NGINX: Final = Facts(
    lambda: installing.debian_version("nginx"),
    lambda: installing.debian_size("nginx", "nginx-common"),
    lambda: absent("nginx"),
)


@gateway("nginx", modes=MODES, exact=True, kind="limit", facts=_NGINX)
def nginx(place: Place) -> Program:
    """A reverse proxy that does nothing else, with its default buffers and no log."""
    return _nginx(place, "")


@gateway("nginx-256k", modes=MODES, exact=True, kind="limit", facts=_NGINX)
def nginx_256k(place: Place) -> Program:
    """The same, reading bodies 256 KB at a time: fewer system calls for large ones."""
    return _nginx(place, "client_body_buffer_size 256k;")


@gateway(
    "haproxy",
    modes=MODES,
    exact=True,
    kind="limit",
    facts=Facts(
        lambda: installing.debian_version("haproxy"),
        lambda: installing.debian_size("haproxy"),
        lambda: absent("haproxy"),
    ),
)
def haproxy(place: Place) -> Program:
    made = place.certificates
    accept = upstream = ""
    if place.mode == "mutual":
        joined = place.write("server.pem", made.server.read_text() + made.server_key.read_text())
        accept = f" ssl crt {joined} ca-file {made.authority} verify required"
    if place.mode != "http":
        upstream = f" ssl verify required ca-file {made.authority} sni str(localhost) verifyhost localhost"
    config = place.write(
        "haproxy.cfg",
        f"""global
  nbthread 1
  maxconn 8000
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  option http-keep-alive
  http-reuse always
frontend clients
  bind 127.0.0.1:{place.port}{accept}
  default_backend provider
backend provider
  option http-no-delay
  server one 127.0.0.1:{place.upstream_port} pool-max-conn 2000{upstream}
""",
    )
    way = partial(_mutual_way, place) if place.mode == "mutual" else None
    return Program([found("haproxy"), "-f", str(config), "-db"], way=way)


@gateway(
    "python-copy",
    modes=MODES,
    exact=True,
    kind="limit",
    facts=Facts(lambda: f"uvloop {metadata.version('uvloop')}"),
)
def python_copy(place: Place) -> Program:
    """The least Python can do: `bare.py` copies bytes and looks at none of them."""
    return _python(place, "benchmarks.bare")


@gateway(
    "python-http",
    modes=MODES,
    exact=True,
    kind="limit",
    facts=Facts(lambda: f"httptools {metadata.version('httptools')}"),
)
def python_http(place: Place) -> Program:
    """The least Python can do that speaks HTTP: `parsing.py` parses with llhttp, keeps connections, and has no rules."""
    return _python(place, "benchmarks.parsing")


@gateway(
    "python-duties",
    modes=MODES,
    exact=True,
    kind="limit",
    facts=Facts(lambda: f"uvloop {metadata.version('uvloop')}"),
)
def python_duties(place: Place) -> Program:
    """The duties of openClaude's pass-through way as flat as Python can do them: `duties.py`."""
    return _python(place, "benchmarks.duties")


def _python(place: Place, module: str) -> Program:
    made = place.certificates
    files = [] if place.mode == "http" else [str(made.authority)]
    if place.mode == "mutual":
        files += [str(made.server), str(made.server_key)]
    command = [sys.executable, "-P", "-m", module, str(place.port), str(place.upstream_port), *files]
    way = partial(_mutual_way, place) if place.mode == "mutual" else None
    return Program(command, env={"PYTHONPATH": str(ROOT)}, way=way)


@gateway(
    "litellm",
    modes=("http", "tls"),
    translates=True,
    facts=peer("litellm"),
)
def litellm(place: Place) -> Program:
    """LiteLLM's proxy with one worker, without a database."""
    settings = {
        "model_list": _litellm_models(place.upstream_url),
        "litellm_settings": {"request_timeout": 600, "telemetry": False},
        "general_settings": {"master_key": _KEY, "disable_spend_logs": True},
    }
    config = place.write("config.yaml", json.dumps(settings))  # YAML reads JSON
    return Program(
        [
            str(installing.folder("litellm") / "bin" / "litellm"),
            *("--config", str(config), "--host", "127.0.0.1", "--port", str(place.port)),
        ],
        env={
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_MODE": "PRODUCTION",
            "LITELLM_LOG": "ERROR",
            "DISABLE_SCHEMA_UPDATE": "true",
            "SSL_CERT_FILE": str(place.certificates.authority),
        },
        headers=[f"Authorization: Bearer {_KEY}", f"x-api-key: {_KEY}"],
    )


def _litellm_models(upstream: str) -> list[dict[str, Any]]:
    direct = {"model": f"anthropic/{CLAUDE}", "api_base": upstream, "api_key": _KEY}
    bedrock = {
        "model": f"bedrock/converse/{_MODEL}",
        "aws_bedrock_runtime_endpoint": upstream,
        "aws_access_key_id": "benchmark",
        "aws_secret_access_key": "benchmark",
        "aws_region_name": _REGION,
    }
    return [
        {"model_name": CLAUDE, "litellm_params": direct},
        {"model_name": BEDROCK, "litellm_params": bedrock},
    ]


@gateway(
    "portkey",
    modes=("http", "tls"),
    translates=True,
    facts=peer("portkey"),
)
def portkey(place: Place) -> Program:
    """Portkey's open gateway; where to send is said by headers of each request."""
    start = (
        installing.folder("portkey")
        / "node_modules"
        / "@portkey-ai"
        / "gateway"
        / "build"
        / "start-server.js"
    )
    return Program(
        [found("node"), str(start), f"--port={place.port}", "--headless"],
        env={"NODE_EXTRA_CA_CERTS": str(place.certificates.authority)},
        headers=[
            "x-portkey-provider: anthropic",
            f"x-portkey-custom-host: {place.upstream_url}/v1",
            f"x-api-key: {_KEY}",
            f"Authorization: Bearer {_KEY}",
        ],
        bedrock_headers=[
            "x-portkey-provider: bedrock",
            f"x-portkey-custom-host: {place.upstream_url}",
            "x-portkey-aws-access-key-id: benchmark",
            "x-portkey-aws-secret-access-key: benchmark",
            f"x-portkey-aws-region: {_REGION}",
            f"Authorization: Bearer {_KEY}",
        ],
    )


@gateway(
    "claude-code-router",
    modes=("http", "tls"),
    facts=peer("claude-code-router"),
)
def claude_code_router(place: Place) -> Program:
    settings = {
        "LOG": False,
        "HOST": "127.0.0.1",
        "PORT": place.port,
        "API_TIMEOUT_MS": 600_000,
        "NON_INTERACTIVE_MODE": True,
        "APIKEY": _KEY,
        "Providers": [
            {
                "name": "provider",
                "api_base_url": f"{place.upstream_url}/v1/messages",
                "api_key": _KEY,
                "models": [CLAUDE],
                "transformer": {"use": ["Anthropic"]},
            }
        ],
        "Router": {"default": f"provider,{CLAUDE}"},
    }
    place.write(".claude-code-router/config.json", json.dumps(settings))
    package = installing.folder("claude-code-router") / "node_modules" / "@musistudio" / "claude-code-router"
    return Program(
        [found("node"), str(package / "dist" / "cli.js"), "start"],
        env={"SERVICE_PORT": str(place.port), "NODE_EXTRA_CA_CERTS": str(place.certificates.authority)},
        headers=[f"Authorization: Bearer {_KEY}", f"x-api-key: {_KEY}"],
    )


@gateway("claude-spillway", modes=("http", "tls"), facts=peer("claude-spillway"))
def claude_spillway(place: Place) -> Program:
    """A proxy that hands on to Anthropic until the plan is used up; here it never is."""
    settings = {
        "listen": {"host": "127.0.0.1", "port": place.port},
        "anthropic": {"base_url": place.upstream_url},
        "ollama": {"base_url": place.upstream_url},
    }
    config = place.write("config.yaml", json.dumps(settings))
    program = str(installing.folder("claude-spillway") / "bin" / "claude-spillway")
    return Program(
        [program, "serve", "--config", str(config), "--log-level", "ERROR"],
        env={"SSL_CERT_FILE": str(place.certificates.authority)},
        headers=[f"x-api-key: {_KEY}"],
    )


@gateway("rolter", modes=("http",), facts=peer("rolter"))
def rolter(place: Place) -> Program:
    """A gateway in Rust. It trusts public authorities only, so it has no rows with TLS."""
    config = place.write(
        "rolter.toml",
        f"""[server]
host = "127.0.0.1"
port = {place.port}
[[providers]]
name = "provider"
kind = "anthropic"
api_base = "{place.upstream_url}"
api_key = "{_KEY}"
allow_custom_api_base = true
[[routes]]
model = "{CLAUDE}"
strategy = "round_robin"
[[routes.targets]]
provider = "provider"
model = "{CLAUDE}"
""",
    )
    program = str(installing.folder("rolter") / "bin" / "rolter")
    return Program(
        [program, "gateway", "-c", str(config), "--host", "127.0.0.1", "--port", str(place.port)],
        env={"RUST_LOG": "error"},
        headers=["Authorization: Bearer sk-rolter-dev"],
    )
