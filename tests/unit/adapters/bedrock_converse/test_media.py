"""Images and documents by what their bytes say."""

import base64
from typing import Any

import pytest

from openclaude.adapters.bedrock_converse import media

PNG_HEAD = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"


def source(data: bytes | str, media_type: str = "image/png") -> dict[str, Any]:
    text = base64.b64encode(data).decode() if isinstance(data, bytes) else data
    return {"type": "base64", "media_type": media_type, "data": text}


def png(width: int, height: int) -> bytes:
    return PNG_HEAD + width.to_bytes(4) + height.to_bytes(4)


def jpeg(width: int, height: int) -> bytes:
    app = b"\xff\xe0\x00\x04ab"
    return b"\xff\xd8" + app + b"\xff\xc0\x00\x0b\x08" + height.to_bytes(2) + width.to_bytes(2) + b"\x00\x00"


def webp(kind: bytes, rest: bytes) -> bytes:
    return b"RIFF\x00\x00\x00\x00WEBP" + kind + rest


@pytest.mark.parametrize(
    ("given", "form"),
    [
        (source(png(1, 1), "image/jpeg"), "png"),
        (source(jpeg(10, 10), "image/png"), "jpeg"),
        (source(b"GIF89a" + bytes(8)), "gif"),
        (source(webp(b"VP8 ", bytes(20))), "webp"),
        (source(b"unknown bytes", "image/jpg"), "jpeg"),
        ({"type": "url", "url": "data:image/png;base64," + base64.b64encode(png(2, 2)).decode()}, "png"),
        (source("iVBORw0KGgow\nMDAwMDAwMA=="), "png"),
    ],
    ids=[
        "png-labelled-jpeg",
        "jpeg-labelled-png",
        "gif",
        "webp",
        "only-a-label",
        "data-url",
        "line-ends-in-base64",
    ],
)
def test_an_image_is_labelled_by_its_bytes(given: dict[str, Any], form: str) -> None:
    found = media.image(given)
    assert isinstance(found, dict)
    assert found["format"] == form
    base64.b64decode(found["source"]["bytes"], validate=True)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"type": "url", "url": "https://example.com/a.png"}, media.ONLY_BASE64_IMAGES),
        ({"type": "file", "file_id": "f"}, media.ONLY_BASE64_IMAGES),
        ({}, media.ONLY_BASE64_IMAGES),
        (source("***"), media.UNREADABLE_IMAGE),
        (source(""), media.UNREADABLE_IMAGE),
        (source("\u00e9"), media.UNREADABLE_IMAGE),
        (source(b"unknown bytes", "image/heic"), media.UNREADABLE_IMAGE),
        (source(png(8001, 1)), media.OVERSIZED_IMAGE),
        (source(jpeg(1, 9000)), media.OVERSIZED_IMAGE),
        (source(webp(b"VP8X", bytes(4) + bytes(4) + (8000).to_bytes(3, "little") + bytes(3))), media.OVERSIZED_IMAGE),
        (source(webp(b"VP8L", bytes(5) + (9000).to_bytes(4, "little"))), media.OVERSIZED_IMAGE),
        (source(webp(b"VP8 ", bytes(7) + b"\x9d\x01\x2a" + (9000).to_bytes(2, "little") + bytes(2))), media.OVERSIZED_IMAGE),
        (source(png(1, 1) + bytes(media.MAX_IMAGE_BYTES)), media.OVERSIZED_IMAGE),
    ],
    ids=[
        "web-url", "file", "no-source", "no-base64", "no-bytes", "no-ascii", "unknown-kind", "wide-png", "high-jpeg",
        "wide-webp-extended", "wide-webp-lossless", "wide-webp-lossy", "too-many-bytes",
    ],
)  # fmt: skip
def test_an_image_bedrock_would_refuse_becomes_a_text(given: dict[str, Any], text: str) -> None:
    assert media.image(given) == media.Omitted(text)


@pytest.mark.parametrize(
    ("data", "media_type", "form"),
    [
        (b"%PDF-1.7", "application/octet-stream", "pdf"),
        (b"a,b", "text/csv", "csv"),
        (b"# t", "text/markdown", "md"),
        (b"PK", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"),
    ],
)
def test_a_document_has_the_format_of_its_type(data: bytes, media_type: str, form: str) -> None:
    found = media.document({"source": source(data, media_type)})
    assert isinstance(found, dict)
    assert (found["format"], found["name"]) == (form, "document")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"type": "url", "url": "https://example.com/a.pdf"}, media.ONLY_BASE64_DOCUMENTS),
        (source("***", "application/pdf"), media.UNREADABLE_DOCUMENT),
        (source(b"x", "video/mp4"), media.UNREADABLE_DOCUMENT),
        (source(b"%PDF" + bytes(media.MAX_DOCUMENT_BYTES), "application/pdf"), media.OVERSIZED_DOCUMENT),
    ],
    ids=["web-url", "no-base64", "unknown-type", "too-many-bytes"],
)
def test_a_document_bedrock_would_refuse_becomes_a_text(given: dict[str, Any], reason: str) -> None:
    assert media.document({"title": " my\nfile ", "source": given}) == media.Omitted(
        f"[document omitted: my file: {reason}]",
    )
