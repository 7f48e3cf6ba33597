"""66 mistakes that leak a secret, as changes to the product's source. The oracle has to notice each.

The wall at run time (edge/egress.py) is switched off in all of them, or it would stop many before the oracle could see
them. `part` says which half of the day (tests/support/leaks.py) shows the mistake.
"""

from dataclasses import dataclass

Edit = tuple[str, str, str]
"""File below src/openclaude, a text that is in it exactly once, and what takes its place."""

WALL_OFF: Edit = (
    "edge/egress.py",
    "            self._check(place, authorized, start, lines)\n",
    "            pass\n",
)
REMEMBER: tuple[Edit, ...] = (
    (
        "credentials/_vault.py",
        "_SECRETS: dict[int, object] = {}\n",
        "_SECRETS: dict[int, object] = {}\nLAST = {}\n",
    ),
    (
        "credentials/_vault.py",
        "    _SECRETS[id(handle)] = secret\n",
        "    _SECRETS[id(handle)] = LAST[type(handle).__name__] = secret\n",
    ),
)
"""The mistake behind many others: something keeps the last secret of each kind within reach."""
_LAST = '__import__("openclaude.credentials._vault", fromlist=["x"]).LAST'
LOGIN = f'{_LAST}.get("ClientCredential", b": ").split(b": ", 1)[1].strip()'
KEY_ID = f'{_LAST}["AwsKeys"].access_key.encode()'
SECRET = f'{_LAST}["AwsKeys"].secret_key.encode()'
TOKEN = f'({_LAST}["AwsKeys"].token or "").encode()'
API_KEY = f'{_LAST}.get("RouteKey", b": ").split(b" ")[-1].strip()'
HOME = '__import__("os").environ["OPENCLAUDE_HOME"]'


@dataclass(frozen=True)
class Mutant:
    """One mistake."""

    name: str
    edits: tuple[Edit, ...]
    part: str = "requests"


def _change(name: str, file: str, old: str, new: str, *more: Edit, part: str = "requests") -> Mutant:
    return Mutant(name, ((file, old, new), *more), part)


def _with_secrets(name: str, file: str, old: str, new: str, *more: Edit, part: str = "requests") -> Mutant:
    return Mutant(name, ((file, old, new), *more, *REMEMBER), part)


# places where mistakes are made

ANTHROPIC_LINES = (
    "credentials/policies.py",
    'return AuthorizedRequest(ANTHROPIC, request, "client-login", client)',
)
BEDROCK_LINES = (
    "credentials/policies.py",
    'return AuthorizedRequest(self.origin, request, "aws-signature", SealedLines(lines))',
)
KEY_LINES = (
    "credentials/policies.py",
    'return AuthorizedRequest(self._key.origin, request, "route-key", self._key)',
)
UPSTREAM_HEADERS = ("gateway/refusals.py", "_safe(call.headers)")
KIND = ("gateway/passthrough.py", "answer.record.credential = credential.named")
SIGNED_KIND = (
    "gateway/sending.py",
    "self._answer.record.credential = credential.named",
)
ALLOWED_ANSWERS = ("adapters/anthropic.py", '        b"x-should-retry",\n')
WRITTEN = ("gateway/exchange.py", "        self.record.bytes_out += len(data)\n")
TAKEN = ("gateway/intake.py", "        self._answer.record.bytes_in += len(data)\n")
STARTED = ("wiring.py", '"started", version=__version__')
FACTS = ("wiring.py", "            **self.facts,\n")
KEPT = ("launcher/daemon.py", "        if name in _KEPT_ENVIRONMENT or name.startswith(_KEPT_PREFIX)\n")
CHILD = ("launcher/daemon.py", '{"OPENCLAUDE_HOME": str(state.home)}')
PREPARED = ("cli/launch.py", "    text = json.dumps(overlay, indent=2)")
BECOME = ("cli/launch.py", '["--settings", str(file), *split.rest]')
ASIDE = ("cli/launch.py", "    aside = (*child.neutralised, *settings.set_aside(own.user, own.overlay))\n")
STATUS = ("cli/status.py", '        "running": True,\n')


def _lines(where: tuple[str, str], expression: str, name: str) -> Mutant:
    """Something more in the head of a request."""
    file, old = where
    start, _, handle = old.removesuffix(")").rpartition(", ")
    more = f'SealedLines(_vault.get({handle}, bytes) + b"x-note: " + {expression} + b"\\r\\n")'
    return _with_secrets(name, file, old, f"{start}, {more})")


def _answer_header(name: str, header: str) -> Mutant:
    return _change(name, *ALLOWED_ANSWERS, f'        b"x-should-retry",\n        b"{header}",\n')


def _logged(name: str, expression: str, where: tuple[str, str] = KIND) -> Mutant:
    file, old = where
    return _with_secrets(
        name, file, old, f'{old}\n        self._answer.record.notes += (({expression}).decode("latin-1"),)'
    )


MUTANTS: tuple[Mutant, ...] = (
    # what goes to Anthropic
    _change(
        "every header of the client goes to Anthropic",
        "adapters/anthropic.py",
        "        if name in names or name.startswith(prefixes):\n",
        "        if name or name in names or prefixes:\n",
    ),
    _change(
        "all x- headers go to Anthropic",
        "adapters/anthropic.py",
        'REQUEST_PREFIXES = (b"anthropic-",',
        'REQUEST_PREFIXES = (b"x-", b"anthropic-",',
    ),
    _change(
        "the client's cookies go to Anthropic",
        "domain/http.py",
        '        b"cookie",\n',
        "",
        ("adapters/anthropic.py", 'b"accept-language",', 'b"accept-language", b"cookie",'),
    ),
    _change(
        "the password for the proxy goes to Anthropic",
        "domain/http.py",
        '        b"proxy-authorization",\n',
        "",
        ("adapters/anthropic.py", 'b"accept-language",', 'b"accept-language", b"proxy-authorization",'),
    ),
    _lines(ANTHROPIC_LINES, SECRET, "an AWS secret key goes to Anthropic"),
    _lines(ANTHROPIC_LINES, TOKEN, "an AWS session token goes to Anthropic"),
    _lines(ANTHROPIC_LINES, KEY_ID, "an AWS access key id goes to Anthropic"),
    _lines(ANTHROPIC_LINES, API_KEY, "a Bedrock API key goes to Anthropic"),
    _with_secrets(
        "the login is in the URL",
        *ANTHROPIC_LINES,
        f"request = UpstreamRequest(request.method, request.target + b'?k=' + {LOGIN}, request.headers, request.content_length)\n        {ANTHROPIC_LINES[1]}",
    ),
    _change(
        "the first login is used for everybody",
        "credentials/sealed.py",
        '        super().__init__(b"".join(b"%b: %b\\r\\n" % pair for pair in kept))\n',
        '        global _FIRST\n        _FIRST = globals().get("_FIRST") or b"".join(b"%b: %b\\r\\n" % pair for pair in kept)\n        super().__init__(_FIRST)\n',
    ),
    _with_secrets(
        "the last request's login is used again",
        *ANTHROPIC_LINES,
        'before = globals().get("_BEFORE") or client\n        globals()["_BEFORE"] = client\n        return AuthorizedRequest(ANTHROPIC, request, "client-login", before)',
    ),
    # what goes to Bedrock and to Claude Platform
    _lines(BEDROCK_LINES, LOGIN, "the login goes to Bedrock"),
    _lines(BEDROCK_LINES, SECRET, "the AWS secret key goes to Bedrock"),
    _lines(
        BEDROCK_LINES,
        f"__import__('base64').b64encode(b'x' + {SECRET})",
        "the AWS secret key goes to Bedrock in base64",
    ),
    _lines(KEY_LINES, LOGIN, "the login goes where an API key goes"),
    _lines(KEY_LINES, SECRET, "an AWS secret key goes where an API key goes"),
    _with_secrets(
        "API keys of all routes are sent together",
        *KEY_LINES,
        'globals().setdefault("_ALL", []).append(_vault.get(self._key, bytes))\n        return AuthorizedRequest(self._key.origin, request, "route-key", SealedLines(b"".join(dict.fromkeys(globals()["_ALL"]))))',
    ),
    _with_secrets(
        "the header list of the last route is used again",
        *UPSTREAM_HEADERS,
        f'SafeHeaders((*call.headers, (b"x-client", {LOGIN})))',
    ),
    _with_secrets(
        "the login is in Bedrock's target",
        "gateway/refusals.py",
        'b"POST", call.target, ',
        f'b"POST", call.target + b"?k=" + {LOGIN}, ',
    ),
    _change(
        "Bedrock gets the client's headers",
        "gateway/translated.py",
        "        return refusals.outgoing(call)\n",
        '        call.headers = (*call.headers, *((n, v) for n, v in request.headers if n.lower().startswith(b"x-company")))\n        return refusals.outgoing(call)\n',
    ),
    _change(
        "all sessions share their keys",
        "edge/awskeys.py",
        "(self._sessions.fingerprint(session), profile, region)",
        '("", profile, region)',
    ),
    _change(
        "an unknown session gets somebody's keys",
        "edge/sessions.py",
        "        return self._sessions.get(name, _STRANGER) if name else self._own\n",
        "        some = next(iter(self._sessions.values()), None) or self.__dict__.get('_kept')\n        self._kept = some\n        return self._sessions.get(name) or some or self._own\n",
        (
            "edge/awskeys.py",
            "        return profile is None and not self._sessions.known(session)\n",
            "        return False\n",
        ),
    ),
    _change(
        "keys of a session outlive it for everybody",
        "edge/sessions.py",
        "            del self._sessions[name]\n",
        "            self._own = self._sessions.pop(name)\n",
    ),
    # what the client is told
    _answer_header("a provider's cookies reach the client", "set-cookie"),
    _answer_header("a provider's Location reaches the client", "location"),
    _change(
        "all x- headers of a provider reach the client",
        "adapters/anthropic.py",
        'RESPONSE_PREFIXES = (b"anthropic-",)',
        'RESPONSE_PREFIXES = (b"anthropic-", b"x-")',
    ),
    _change(
        "a 404 shows the request's headers",
        "edge/admission.py",
        '            "GET /v1/models and GET /api/hello",\n',
        '            "GET /v1/models and GET /api/hello" + repr(headers),\n',
    ),
    _change(
        "an unknown expectation is shown",
        "wire/http1.py",
        'HeadError(417, "the only expectation known here is 100-continue")',
        'HeadError(417, "the only expectation known here is 100-continue, not " + expect.decode("latin-1"))',
    ),
    _change(
        "a refused query is shown",
        "edge/admission.py",
        '"openClaude: the query has a parameter that is not served here"',
        '"openClaude: the query has a parameter that is not served here: " + query.decode()',
    ),
    _change(
        "a 401 tells the secret path",
        "edge/admission.py",
        "            \"openClaude: this base URL lacks the gateway's secret. hint:",
        "            f\"openClaude: this base URL lacks the gateway's secret {door.secret}. hint:",
    ),
    _change(
        "a body without a model is shown",
        "gateway/intake.py",
        'self._refuse(ApiError(400, "invalid_request_error", f"openClaude: {error}"))',
        'self._refuse(ApiError(400, "invalid_request_error", f"openClaude: {error} in {held[0][:600]!r}"))',
    ),
    _with_secrets(
        "the AWS secret key is in an error's text",
        "gateway/refusals.py",
        "    error.message = error.message.replace(",
        f"    error.message += repr({SECRET})\n    error.message = error.message.replace(",
    ),
    _with_secrets(
        "the login is in an error's text",
        "gateway/exchange.py",
        "        self.record.notes += error.notes\n",
        f"        self.record.notes += error.notes\n        error.message += repr({LOGIN})\n",
    ),
    _change(
        "what a failing credential program says is shown",
        "edge/awsprobe.py",
        'failed; what it said is not shown here"',
        'failed: {error}"',
    ),
    _with_secrets(
        "an AWS session token is in every answer's head",
        "gateway/exchange.py",
        "(*JSON_HEADERS, name, *headers)",
        f'(*JSON_HEADERS, name, (b"x-token", {TOKEN} if "AwsKeys" in {_LAST} else b""), *headers)',
    ),
    # the log
    _logged("the login is logged", LOGIN),
    _logged("the end of the login is logged", f"{LOGIN}[-14:]"),
    _logged("the login is logged in hex", f"{LOGIN}.hex().encode()"),
    _logged("the login is logged in base64", f"__import__('base64').b64encode(b'xy' + {LOGIN})"),
    _logged("the login is logged backwards", f"{LOGIN}[::-1]"),
    _logged(
        "the login is logged with percent signs",
        f"''.join('%%%02x' % c for c in {LOGIN}[-24:]).encode() + {LOGIN}[-12:]",
    ),
    _with_secrets(
        "the login is logged on the short way",
        "fastpath/connections.py",
        "        services.log.line_of(course.line, (took,",
        f'        services.log.line_of(lambda *of: course.line(*of) + " " + ({LOGIN}).decode("latin-1"), (took,',
    ),
    _logged("the AWS secret key is logged", SECRET, SIGNED_KIND),
    _change(
        "the client's headers are logged",
        "gateway/exchange.py",
        "        services.log.write(self.record)\n",
        "        self.record.notes += (repr([pair for pair in self.request.headers if pair[0].startswith(b'X-Comp')]),)\n        services.log.write(self.record)\n",
    ),
    _change(
        "the prompt is logged as the model",
        "gateway/intake.py",
        "        record.model, record.upstream_model = way.shown, way.name\n",
        "        record.model, record.upstream_model = held.decode()[:290], way.name\n",
    ),
    _change(
        "the answer is logged",
        *WRITTEN,
        '        self.record.bytes_out += len(data)\n        self.record.upstream_request_id = "".join(__import__("re").findall(r"answer-[A-Z2-7]+", data.decode("latin-1"))) or self.record.upstream_request_id\n',
    ),
    _change(
        "a provider's error text is logged",
        "gateway/exchange.py",
        "        self.record.notes += error.notes\n",
        "        self.record.notes += (*error.notes, error.message[-120:])\n",
    ),
    _change("the secret path is logged", *STARTED, '"started", base=plan.base_path, version=__version__'),
    _change("the identity key is logged", *STARTED, '"started", base=plan.identity, version=__version__'),
    # files and error output
    _change(
        "prompts are kept in a file",
        *TAKEN,
        f'{TAKEN[1]}        with open({HOME} + "/prompts", "ab") as file:\n            file.write(data)\n',
    ),
    _change(
        "answers are kept in a compressed file",
        *WRITTEN,
        f'{WRITTEN[1]}        with open({HOME} + "/answers.gz", "ab") as file:\n            file.write(__import__("gzip").compress(bytes(data)))\n',
    ),
    _with_secrets(
        "logins are printed",
        *KIND,
        f"{KIND[1]}\n        import sys\n        print({LOGIN}, file=sys.stderr, flush=True)",
    ),
    _change(
        "the request's headers are printed",
        "edge/admission.py",
        "    safe, credential = split_credential(headers)\n",
        "    import sys\n    print(headers, file=sys.stderr, flush=True)\n    safe, credential = split_credential(headers)\n",
    ),
    # processes, control socket, commands, client
    _change("the gateway inherits the whole environment", *KEPT, "        if name\n", part="commands"),
    _change(
        "the gateway inherits AWS variables",
        *KEPT,
        "        if name in _KEPT_ENVIRONMENT or name.startswith((_KEPT_PREFIX, 'AWS_'))\n",
        part="commands",
    ),
    _change(
        "the secret path is in the gateway's environment",
        *CHILD,
        '{"OPENCLAUDE_HOME": str(state.home), "BASE": state.secrets().base_path}',
        part="commands",
    ),
    _change(
        "the short way takes any connection",
        "fastpath/shortcuts.py",
        "self._transport.pool_of(Passthrough.ORIGIN)\n",
        "max(self._transport._pools.items(), key=lambda item: item[0] != Passthrough.ORIGIN)[1]\n",
    ),
    _change(
        "the gateway goes through a proxy of the environment",
        "edge/upstream.py",
        "                connection, line = await self._open_somehow()\n",
        '                import os, urllib.parse as u\n                url = u.urlsplit(os.environ["HTTPS_PROXY"])\n                _, writer = await asyncio.open_connection(url.hostname, url.port)\n                writer.write(b"".join(call._held))\n                await writer.drain()\n                writer.close()\n                connection, line = await self._open_somehow()\n',
        (
            KEPT[0],
            KEPT[1],
            "        if name in _KEPT_ENVIRONMENT or name.startswith(_KEPT_PREFIX) or name == 'HTTPS_PROXY'\n",
        ),
        part="commands",
    ),
    _with_secrets(
        "a redirect is followed",
        "gateway/passthrough.py",
        "        if 300 <= status < 400:\n",
        f'        if 300 <= status < 400:\n            import socket, urllib.parse as u\n            url = u.urlsplit(next(v for n, v in headers if n.lower() == b"location").decode())\n            with socket.create_connection((url.hostname, url.port)) as there:\n                there.sendall(b"POST / HTTP/1.1\\r\\nAuthorization: " + {LOGIN} + b"\\r\\n\\r\\n")\n                there.recv(100)\n',
    ),
    _change(
        "the control socket tells the secret path",
        *FACTS,
        '            **self.facts,\n            "base": self.doors._keys.secret.decode(),\n',
        part="commands",
    ),
    _change(
        "the control socket repeats a session's variables",
        "launcher/supervisor.py",
        '            answer = {"session": held.name, "token": token}',
        '            answer = {"session": held.name, "token": token, "aws": request.get("aws")}',
        part="commands",
    ),
    _change(
        "status prints the base URL",
        *STATUS,
        '        "running": True,\n        "base_url": found.secrets.base_path,\n',
        part="commands",
    ),
    _change(
        "the client's settings hold the shell's variables",
        *PREPARED,
        "    text = json.dumps({**overlay, 'was': dict(env)}, indent=2)",
        part="commands",
    ),
    _change(
        "the client's command line holds an AWS secret key",
        *BECOME,
        '["--settings", str(file), "--key", env.get("AWS_SECRET_ACCESS_KEY", ""), *split.rest]',
        part="commands",
    ),
    _change(
        "variables that are not used are told with their values",
        *ASIDE,
        "    aside = tuple(f'{name}={env.get(name)}' for name in (*child.neutralised, *settings.set_aside(own.user, own.overlay)))\n",
        part="commands",
    ),
    _change(
        "a credential in the configuration is repeated",
        "config/secrets.py",
        "            yield path\n",
        "            yield (*path[:-1], f'{path[-1]}={value}')\n",
        part="commands",
    ),
)
