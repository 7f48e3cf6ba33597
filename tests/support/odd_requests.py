"""Hostile requests that are odd outside their framing: request lines, names, lists of names, order, other protocols."""

from collections.abc import Iterator

from support.front import Front


def request_lines(front: Front) -> Iterator[tuple[str, bytes]]:
    """Request lines that are read in more than one way."""
    body, hidden, path = front.message(), front.smuggled(), front.base + b"/v1/messages"
    rest = b"\r\n".join([*front.ordinary(), b"Content-Length: %d" % len(body), b"", b""]) + body + hidden
    lines = [
        b"POST " + path,
        b"POST",
        b"",
        b" ",
        b"\x00",
        b"POST " + path + b" ",
        b"POST " + path + b" HTTP",
        b"POST " + path + b" HTTP/",
        *(
            b"POST " + path + b" " + version
            for version in (
                b"HTTP/0.9",
                b"HTTP/1.0",
                b"HTTP/1.2",
                b"HTTP/2",
                b"HTTP/2.0",
                b"HTTP/3.0",
                b"HTTP/1.1.",
                b"HTTP/1.10",
                b"HTTP/01.1",
                b"HTTP/11",
                b"HTTP/1,1",
                b"HTTP/1. 1",
                b"HTTP/1.1 ",
                b" HTTP/1.1",
                b"HTTP/1.1\t",
                b"http/1.1",
                b"HTTPS/1.1",
                b"ICE/1.0",
                b"RTSP/1.0",
                b"HTTP/1.1 HTTP/1.1",
                b"HTTP/1.1\x00",
                b"HTTP/-1.1",
                b"HTTP/+1.1",
                b"HTTP/1.\xd9\xa1",
                b"/v1/messages HTTP/1.1",
            )
        ),
        *(
            method + b" " + path + b" HTTP/1.1"
            for method in (
                b"post",
                b"Post",
                b"POST\t",
                b"\tPOST",
                b" POST",
                b"PO\x00ST",
                b"POSTX",
                b"P\xc3\x96ST",
                b"POST,GET",
                b"PRI",
                b"CONNECT",
                b"TRACE",
                b"OPTIONS",
                b"PUT",
                b"DELETE",
                b"PATCH",
                b"PROPFIND",
                b"PURGE",
                b"SOURCE",
                b"M-SEARCH",
                b"QUERY",
                b"DESCRIBE",
                b"ANNOUNCE",
                b"GET",
                b"HEAD",
                b"G E T",
                b"\r\nPOST",
                b"\r\n\r\n\r\nPOST",
                b"\nPOST",
                b"\rPOST",
                b"\x16\x03\x01\x02POST",
                b"0",
                b"",
            )
        ),
        *(
            b"POST " + target + b" HTTP/1.1"
            for target in (
                b"http://127.0.0.1" + path,
                b"http://evil.example" + path,
                b"https://api.anthropic.com" + path,
                b"//evil.example" + path,
                b"*",
                b"evil.example:443",
                b"?",
                b"#",
                b"",
                b" " + path,
                path + b"\t",
                path + b" x",
                path + b"#x",
                path + b"\x00",
                path + b"\x7f",
                path + b"\x80",
                path + b"\xff",
                b"\\" + path[1:],
                path + b"\x0b",
                path.replace(b"/", b"\\"),
                path + b"%0d%0a",
                path + b"?a b",
            )
        ),
    ]
    for line in lines:
        yield repr(line), line + b"\r\n" + rest
    for gap in (b"\t", b"  ", b"\x0b", b"\x0c", b"\r", b"\n", b"\xa0", b"\x00"):
        yield f"{gap!r} between the words", gap.join([b"POST", path, b"HTTP/1.1"]) + b"\r\n" + rest


def header_names(front: Front) -> Iterator[tuple[str, bytes]]:
    """Header lines that are not name, colon, value."""
    body, hidden = front.message(), front.smuggled()
    length = b"Content-Length: %d" % len(body)
    lines = [
        b"",
        b":",
        b": x",
        b" : x",
        b"X",
        b"X x: y",
        b"X\t: y",
        b"X : y",
        b"X(: y",
        b"X\x00: y",
        b"X\xff: y",
        b"X: \x00",
        b"X: a\x01b",
        b"X: \x7f",
        b"X: a\x0bb",
        b"=: x",
        b"{}: x",
        b'"X": y',
        b"X@: y",
        b"X/: y",
        b"GET / HTTP/1.1",
        b"X: a\r b",
    ]
    lines += [
        name.replace(b"-", b"_") + b": x"
        for name in (
            b"Content-Length",
            b"Transfer-Encoding",
            b"X-Api-Key",
            b"Content-Type",
            b"anthropic-version",
            b"Sec-Fetch-Site",
            b"Content-Encoding",
            b"Proxy-Authorization",
            b"X-Amz-Security-Token",
        )
    ]
    lines += [
        line
        for name in (b"Host", b"Authorization", b"Content-Type", b"anthropic-version")
        for line in (name + b": x", name.lower() + b": x", name.upper() + b":")
    ]
    lines += [
        b"Expect: 100-continue, x",
        b"Expect: x",
        b"Expect:",
        b"Expect: 100-continue\r\nExpect: 100-continue",
        b"Expect: 200-ok",
        b"Upgrade: websocket",
        b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__",
        b"Upgrade:",
        b"HTTP2-Settings: AAMAAABkAAQAAP__",
        b"Content-Encoding: gzip",
        b"Content-Encoding: br\r\nContent-Encoding: identity",
        b"Trailer: Content-Length",
    ]
    for line in lines:
        yield repr(line), front.head(line, length) + body + hidden
        yield f"{line!r} last", front.head(length, line) + body + hidden


def nominations(front: Front) -> Iterator[tuple[str, bytes]]:
    """Connection lists that would have a proxy drop a header that matters."""
    body, hidden = front.message(), front.smuggled()
    for name in (
        b"Host",
        b"Content-Length",
        b"Authorization",
        b"Transfer-Encoding",
        b"anthropic-version",
        b"Content-Type",
        b"close, Authorization",
        b"keep-alive, Content-Length",
        b"Connection",
        b"\x00",
        b",",
        b"X-Forwarded-For",
    ):
        yield (
            repr(name),
            front.head(b"Connection: " + name, b"Content-Length: %d" % len(body)) + body + hidden,
        )
        yield (
            f"Proxy {name!r}",
            front.head(b"Proxy-Connection: " + name, b"Content-Length: %d" % len(body)) + body + hidden,
        )
        yield (
            f"Keep-Alive {name!r}",
            front.head(b"Keep-Alive: " + name, b"Content-Length: %d" % len(body)) + body + hidden,
        )


def bodies_where_none_belong(front: Front) -> Iterator[tuple[str, bytes]]:
    """A body behind a method that has none, which is what smuggling by a length of zero lives from."""
    hidden = front.smuggled()
    for method in (b"GET", b"HEAD", b"OPTIONS", b"DELETE", b"TRACE", b"POST"):
        for target in (b"/api/hello", b"/v1/models", b"/v1/messages", b"/v1/messages/count_tokens"):
            for framing in (
                b"Content-Length: %d" % len(hidden),
                b"Transfer-Encoding: chunked",
                b"Content-Length: 1",
            ):
                chunked = (
                    b"%x\r\n%b\r\n0\r\n\r\n" % (len(hidden), hidden) if b"chunked" in framing else hidden
                )
                yield (
                    f"{method!r} {target!r} {framing!r}",
                    front.head(framing, method=method, target=target) + chunked,
                )


def early_requests(front: Front) -> Iterator[tuple[str, bytes]]:
    """A second request before the first one was answered, and things that are not HTTP/1.1 at all."""
    body, hidden = front.message(), front.smuggled()
    first = front.head(b"Content-Length: %d" % len(body)) + body
    for between in (
        b"",
        b"\r\n",
        b"\r\n\r\n",
        b"\n",
        b"\r",
        b" ",
        b"\x00",
        b"0\r\n\r\n",
        b"x",
        b"\r\n" * 100,
        b"\t",
    ):
        yield f"{between!r} between", first + between + hidden
        yield f"{between!r} twice", first + between + hidden + between + hidden
    yield (
        "the preface of HTTP/2",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00" + hidden,
    )
    yield "a TLS hello", b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + b"\x00" * 160 + hidden
    yield "SOCKS", b"\x05\x01\x00" + hidden
    yield "a PROXY line", b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n" + hidden
    yield "a PROXY v2 block", b"\r\n\r\n\x00\r\nQUIT\n" + b"\x20\x00\x00\x00" + hidden
    yield (
        "a web socket",
        front.head(
            b"Upgrade: websocket",
            b"Connection: Upgrade",
            b"Sec-WebSocket-Version: 13",
            b"Sec-WebSocket-Key: x",
            method=b"GET",
        )
        + hidden,
    )
    yield (
        "a tunnel",
        b"CONNECT api.anthropic.com:443 HTTP/1.1\r\nHost: api.anthropic.com:443\r\n\r\n" + hidden,
    )
    yield "a head without end", b"POST / HTTP/1.1\r\nX: " + b"a" * 70_000 + hidden
    yield "headers without end", b"POST / HTTP/1.1\r\n" + b"a: b\r\n" * 20_000 + hidden
    yield "empty lines without end", b"\r\n" * 40_000 + hidden
    yield "101 headers", front.head(*(b"X-%d: y" % n for n in range(101)), b"Content-Length: 0") + hidden
    yield "a target without end", b"POST /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n" + hidden
