"""The simulators on loopback with TLS under the providers' names, in a thread of their own.

For code that blocks: a demo, a test that starts the product as a process. Code that has an event loop can use the
simulators directly.
"""

import asyncio
import base64
import secrets
import tempfile
import threading
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from openclaude.simulator import bedrock, bedrock_control, sts
from openclaude.simulator.anthropic import HOST, AnthropicSimulator
from openclaude.simulator.bedrock import BedrockSimulator
from openclaude.simulator.bedrock_control import BedrockControlSimulator
from openclaude.simulator.claude_on_aws import (
    MantleSimulator,
    PlatformSimulator,
    mantle_host,
    platform_host,
)
from openclaude.simulator.http import RECORD_LIMIT, Server, Setup
from openclaude.simulator.recorded import Log, Predicate, Recorded
from openclaude.simulator.script import Script
from openclaude.simulator.signatures import Keys
from openclaude.simulator.stories import tools_story
from openclaude.simulator.sts import StsSimulator

if TYPE_CHECKING:
    from openclaude.simulator.certs import Authority, Flaw

_START_TIMEOUT = 30.0


class World:
    """A private internet of two hosts: `with World() as world: …`.

    Inside the block `anthropic` and `bedrock` are running, `ca_file` is the authority both are certified by, and
    `connect_to` says where their names lead. `anthropic_flaw` and `bedrock_flaw` spoil a server's certificate.
    With `aws_services` there are two hosts more: `sts`, and Bedrock's control plane as `control`; with `mantle` there are
    Bedrock's Messages endpoint and Claude Platform on AWS as `platform`.
    """

    anthropic: AnthropicSimulator
    bedrock: BedrockSimulator
    sts: StsSimulator
    control: BedrockControlSimulator
    mantle: MantleSimulator
    platform: PlatformSimulator
    ca_file: Path

    def __init__(  # noqa: PLR0913 - a world's properties, each with its default
        self,
        script: Script = tools_story,
        *,
        bedrock_script: Script | None = None,
        region: str = "us-west-2",
        anthropic_flaw: "Flaw | None" = None,
        bedrock_flaw: "Flaw | None" = None,
        record_limit: int = RECORD_LIMIT,
        keep_raw: bool = False,
        aws_services: bool = False,
        mantle: bool = False,
    ) -> None:
        self.region = region
        self._aws_services = aws_services
        self._has_mantle = mantle
        self._servers: dict[str, Server] = {}
        self.log = Log()
        self._setup = Setup(log=self.log, record_limit=record_limit, keep_raw=keep_raw)
        self._scripts = (script, bedrock_script or script)
        self._flaws = (anthropic_flaw, bedrock_flaw)
        # Made anew for each world, so a key found anywhere belongs to exactly one run.
        self._key_id = "ASIA" + base64.b32encode(secrets.token_bytes(10)).decode()
        self._secret = secrets.token_urlsafe(30)
        self._session_token = base64.b64encode(secrets.token_bytes(96)).decode()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="openclaude-simulators", daemon=True)
        self._folder = tempfile.TemporaryDirectory(prefix="openclaude-world-")

    def __enter__(self) -> Self:
        # Late: cryptography costs tens of milliseconds.
        from openclaude.simulator.certs import Authority  # noqa: PLC0415

        authority = Authority()
        self.ca_file = authority.write_ca(Path(self._folder.name) / "ca.pem")
        anthropic_flaw, bedrock_flaw = self._flaws
        self._keys: dict[str, tuple[str, str | None]] = {self._key_id: (self._secret, self._session_token)}
        keys = self._keys
        self.anthropic = AnthropicSimulator(
            self._scripts[0],
            setup=replace(self._setup, tls=authority.server_context(HOST, flaw=anthropic_flaw)),
        )
        self.bedrock = BedrockSimulator(
            self._scripts[1],
            keys=keys,
            region=self.region,
            setup=replace(
                self._setup, tls=authority.server_context(bedrock.host(self.region), flaw=bedrock_flaw)
            ),
        )
        self._servers = {HOST: self.anthropic, bedrock.host(self.region): self.bedrock}
        if self._aws_services:
            self._add_aws_services(authority, keys)
        if self._has_mantle:
            self._add_messages_endpoints(authority, keys)
        self._thread.start()
        self._call(self._start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._folder.cleanup()

    @property
    def connect_to(self) -> list[str]:
        """`HOST:PORT=127.0.0.1:PORT` for each host."""
        return [f"{name}:443=127.0.0.1:{server.port}" for name, server in self._servers.items()]

    def add_keys(self, more: Keys) -> None:
        """Let every AWS service know further keys: secret and session token by key id."""
        self._keys.update(more)

    def aws_env(self) -> dict[str, str]:
        """Environment variables with which a signer of this world's Bedrock needs nothing else."""
        return {
            "AWS_ACCESS_KEY_ID": self._key_id,
            "AWS_SECRET_ACCESS_KEY": self._secret,
            "AWS_SESSION_TOKEN": self._session_token,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def requests(self) -> tuple[Recorded, ...]:
        """The requests of both providers so far, in order of arrival."""
        return self.log.requests()

    def wait_for(self, predicate: Predicate, timeout: float = 60.0) -> tuple[Recorded, ...]:
        """Block until `predicate` holds for the requests of both providers.

        Raises:
            TimeoutError: it did not hold within `timeout` seconds.
        """
        return self.log.wait_for(predicate, timeout)

    def _add_messages_endpoints(self, authority: "Authority", keys: Keys) -> None:
        script, region = self._scripts[1], self.region
        setup = replace(self._setup, tls=authority.server_context(mantle_host(region)))
        self.mantle = MantleSimulator(script, keys=keys, region=region, setup=setup)
        setup = replace(self._setup, tls=authority.server_context(platform_host(region)))
        self.platform = PlatformSimulator(script, keys=keys, region=region, setup=setup)
        self._servers |= {mantle_host(region): self.mantle, platform_host(region): self.platform}

    def _add_aws_services(self, authority: "Authority", keys: Keys) -> None:
        for_sts, for_control = sts.host(self.region), bedrock_control.host(self.region)
        setup = replace(self._setup, tls=authority.server_context(for_sts))
        self._servers[for_sts] = self.sts = StsSimulator(keys=keys, region=self.region, setup=setup)
        setup = replace(self._setup, tls=authority.server_context(for_control))
        self.control = BedrockControlSimulator(keys=keys, region=self.region, setup=setup)
        self._servers[for_control] = self.control

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(_START_TIMEOUT)

    async def _start(self) -> None:
        for server in self._servers.values():
            await server.start()

    async def _close(self) -> None:
        for server in self._servers.values():
            await server.close()
        # What is left are connections in the middle of their handshake, of which the servers know nothing yet.
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        await self._loop.shutdown_default_executor()
