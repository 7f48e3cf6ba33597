"""What hands out AWS credentials over HTTP: STS, the SSO portal, a container's agent, an instance's metadata."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

ROLE = "instance-role"
STS = "https://sts.amazonaws.com/doc/2011-06-15/"


def in_an_hour() -> str:
    return (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Asked:
    """One request: headers with lower-case names, and the form of its body."""

    method: str
    path: str
    headers: dict[str, str]
    form: dict[str, str]


@dataclass
class CredentialServices:
    """All of them at one address.

    Attributes:
        key, secret, token: what is handed out.
        asked: every request, in order.
        container_token: the authorization a container's agent wants.
        imds_v1: whether the metadata service answers without a session token.
        refusal: status and body of every answer instead, where set.
        silent: no answer at all.
    """

    key: str
    secret: str
    token: str
    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    container_token: str = ""
    refusal: tuple[int, str] | None = None
    silent: bool = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, request: Asked) -> tuple[int, str]:
        if self.refusal is not None:
            return self.refusal
        path = urlsplit(request.path).path
        if "Action" in request.form:
            return self._assumed(request.form["Action"])
        if path == "/federation/credentials":
            return 200, json.dumps({"roleCredentials": self._sso()})
        if path == "/container":
            allowed = request.headers.get("authorization", "") == self.container_token
            return (200, json.dumps(self._plain())) if allowed else (401, "{}")
        return self._instance(request, path)

    def _instance(self, request: Asked, path: str) -> tuple[int, str]:
        if (request.method, path) == ("PUT", "/latest/api/token"):
            return 200, "session"
        if request.headers.get("x-aws-ec2-metadata-token") != "session":
            return 401, ""
        base = "/latest/meta-data/iam/security-credentials/"
        if path == base:
            return 200, ROLE
        if path == base + ROLE:
            return 200, json.dumps({"Code": "Success", "Type": "AWS-HMAC", **self._plain()})
        return 404, ""

    def _plain(self) -> dict[str, str]:
        return {
            "AccessKeyId": self.key,
            "SecretAccessKey": self.secret,
            "Token": self.token,
            "Expiration": in_an_hour(),
        }

    def _sso(self) -> dict[str, Any]:
        ends = int((datetime.now(UTC) + timedelta(hours=1)).timestamp() * 1000)
        return {
            "accessKeyId": self.key,
            "secretAccessKey": self.secret,
            "sessionToken": self.token,
            "expiration": ends,
        }

    def _assumed(self, action: str) -> tuple[int, str]:
        keys = (
            f"<AccessKeyId>{self.key}</AccessKeyId><SecretAccessKey>{self.secret}</SecretAccessKey>"
            f"<SessionToken>{self.token}</SessionToken><Expiration>{in_an_hour()}</Expiration>"
        )
        role = "<AssumedRoleUser><AssumedRoleId>A:s</AssumedRoleId><Arn>arn:aws:sts::1:x/y</Arn></AssumedRoleUser>"
        result = f"<{action}Result><Credentials>{keys}</Credentials>{role}</{action}Result>"
        return 200, f'<{action}Response xmlns="{STS}">{result}</{action}Response>'


@contextmanager
def serving(services: CredentialServices) -> Iterator[CredentialServices]:
    """The services on a free port of loopback."""
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer()

        def do_PUT(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0"))).decode()
            headers = {name.lower(): value for name, value in self.headers.items()}
            form = {name: values[0] for name, values in parse_qs(body).items()}
            asked = Asked(self.command, self.path, headers, form)
            services.asked.append(asked)
            if services.silent:
                ended.wait()
                return
            status, text = services.answer(asked)
            self.send_response(status)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    services.port = server.server_port
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield services
    finally:
        ended.set()
        server.shutdown()
        thread.join()
        server.server_close()
