"""Images and documents: what they really are, whether Bedrock takes them, and what is said when it does not.

Limits and alphabets: bedrock-runtime's documentation of ImageBlock and DocumentBlock. An image or document that
Bedrock would refuse is replaced by a text: it stays in the history, and a refusal would repeat on every later turn.
"""

import binascii
import re
import unicodedata
from dataclasses import dataclass

from openclaude.adapters.bedrock_converse.pieces import Json, string

MAX_IMAGE_BYTES = 3_750_000
MAX_IMAGE_SIDE = 8000
MAX_DOCUMENT_BYTES = 4_500_000

NO_IMAGES = "[image omitted: this model does not accept image input]"
ONLY_BASE64_IMAGES = "[image omitted: only base64 image data can be sent to Bedrock]"
UNREADABLE_IMAGE = "[image omitted: its data is not a png, jpeg, gif or webp image]"
OVERSIZED_IMAGE = "[image omitted: it is larger than Bedrock accepts (3.75 MB, 8000 pixels a side)]"
IMAGES_ELSEWHERE = "[image omitted: images are accepted in user turns only]"
TOO_MANY_IMAGES = "[image omitted: the conversation holds more images than Bedrock accepts]"

_LABELS = {
    "image/png": "png",
    "image/jpeg": "jpeg",
    "image/jpg": "jpeg",
    "image/gif": "gif",
    "image/webp": "webp",
}
_DOCUMENT_FORMATS = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
}
_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w.+-]+=[^;,]*)*;base64,", re.IGNORECASE)
_BLANKS = str.maketrans("", "", " \t\r\n")
_EXTENSION = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,7}$")
_NOT_IN_TITLE = re.compile(r"[^A-Za-z0-9()\[\]-]+")
_HEAD = 64
_JPEG_HEAD = 128 * 1024


@dataclass(frozen=True, slots=True)
class Data:
    """Base64 text that decodes, its media type as labelled, and its size in bytes."""

    media_type: str
    base64: str
    size: int

    def head(self, count: int) -> bytes:
        """The first bytes, up to `count`."""
        return binascii.a2b_base64(self.base64[: (count + 2) // 3 * 4])


@dataclass(frozen=True, slots=True)
class Omitted:
    """Why an image or document is not sent, in words the model can read."""

    text: str


def source_of(block: Json) -> Json:
    """The `source` of a block, empty when it is no object."""
    source = block.get("source")
    return source if isinstance(source, dict) else {}


def source_data(source: Json) -> Data | None:
    """The bytes a `base64` source or a `data:` URL holds; None when it holds none that can be read."""
    if source.get("type") == "base64":
        return _data(string(source.get("media_type")), source.get("data"))
    url = string(source.get("url"))
    found = _DATA_URL.match(url) if source.get("type") == "url" else None
    return _data(found[1] or "", url[found.end() :]) if found else None


def _data(media_type: str, text: object) -> Data | None:
    if not isinstance(text, str) or not text.isascii():
        return None
    size = _decoded_size(text)
    if size is None:
        text = text.translate(_BLANKS)
        size = _decoded_size(text)
    return Data(media_type.lower(), text, size) if size else None


def _decoded_size(text: str) -> int | None:
    try:
        return len(binascii.a2b_base64(text, strict_mode=True))
    except binascii.Error:
        return None


def image(source: Json) -> Json | Omitted:
    """A Converse ImageBlock, labelled by what its bytes say: a wrong label is refused."""
    data = source_data(source)
    if data is None:
        return Omitted(UNREADABLE_IMAGE if source.get("type") == "base64" else ONLY_BASE64_IMAGES)
    form = _magic(data.head(_HEAD)) or _LABELS.get(data.media_type)
    if form is None:
        return Omitted(UNREADABLE_IMAGE)
    if data.size > MAX_IMAGE_BYTES or max(_sides(form, data)) > MAX_IMAGE_SIDE:
        return Omitted(OVERSIZED_IMAGE)
    return {"format": form, "source": {"bytes": data.base64}}


def _magic(head: bytes) -> str | None:
    if head.startswith(b"\x89PNG"):
        return "png"
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head.startswith(b"GIF8"):
        return "gif"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "webp"
    return None


def _sides(form: str, data: Data) -> tuple[int, int]:
    """Width and height where the file's header is one that can be trusted; otherwise zeros."""
    if form == "jpeg":
        return _jpeg_sides(data.head(_JPEG_HEAD))
    head = data.head(_HEAD)
    if form == "png" and head[12:16] == b"IHDR":
        return int.from_bytes(head[16:20]), int.from_bytes(head[20:24])
    return _webp_sides(head) if form == "webp" else (0, 0)


def _webp_sides(head: bytes) -> tuple[int, int]:
    kind = head[12:16]
    if kind == b"VP8X":
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and head[23:26] == b"\x9d\x01\x2a":
        return int.from_bytes(head[26:28], "little") & 0x3FFF, int.from_bytes(head[28:30], "little") & 0x3FFF
    return 0, 0


def _jpeg_sides(head: bytes) -> tuple[int, int]:
    at = 2
    while at + 9 <= len(head) and head[at] == 0xFF:
        marker = head[at + 1]
        # Start-of-frame markers carry the size; C4, C8 and CC are tables.
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(head[at + 7 : at + 9]), int.from_bytes(head[at + 5 : at + 7])
        at += 2 + int.from_bytes(head[at + 2 : at + 4])
    return 0, 0


def document_omitted(block: Json, reason: str) -> str:
    return f"[document omitted: {title(block)}: {reason}]"


NO_DOCUMENTS = "this model does not accept document input"
ONLY_BASE64_DOCUMENTS = "only base64 document data can be sent to Bedrock"
UNREADABLE_DOCUMENT = "its type or its data is not one Bedrock accepts"
OVERSIZED_DOCUMENT = "it is larger than Bedrock accepts (4.5 MB)"
DOCUMENTS_ELSEWHERE = "documents are accepted in user turns only"
TOO_MANY_DOCUMENTS = "the conversation holds more documents than Bedrock accepts"


def title(block: Json) -> str:
    """A document's title on one line, or `untitled`."""
    return " ".join(string(block.get("title")).split()) or "untitled"


def document_text(block: Json) -> str | None:
    """The text of a `text` or `content` source; None when the source is of another kind."""
    source = source_of(block)
    if source.get("type") == "text":
        return string(source.get("data"))
    if source.get("type") != "content":
        return None
    content = source.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = [
        string(part.get("text")) for part in parts if isinstance(part, dict) and part.get("type") == "text"
    ]
    return "\n".join(text for text in texts if text.strip())


def document(block: Json) -> Json | Omitted:
    """A Converse DocumentBlock under its first choice of name; `conversation` makes names unique.

    The text of a `content` source goes as one text: Bedrock takes text there and nothing else.
    """
    text = document_text(block)
    if text is not None:
        body: Json | Omitted = {"format": "txt", "name": document_name(block), "source": {"text": text}}
    else:
        body = _binary_document(block)
    if isinstance(body, Omitted):
        return body
    context = string(block.get("context"))
    if context.strip():
        body["context"] = context
    citations = block.get("citations")
    if isinstance(citations, dict) and isinstance(citations.get("enabled"), bool):
        body["citations"] = {"enabled": citations["enabled"]}
    return body


def _binary_document(block: Json) -> Json | Omitted:
    source = source_of(block)
    data = source_data(source)
    if data is None:
        reason = UNREADABLE_DOCUMENT if source.get("type") == "base64" else ONLY_BASE64_DOCUMENTS
        return Omitted(document_omitted(block, reason))
    form = "pdf" if data.head(_HEAD).startswith(b"%PDF") else _DOCUMENT_FORMATS.get(data.media_type)
    if form is None:
        return Omitted(document_omitted(block, UNREADABLE_DOCUMENT))
    if data.size > MAX_DOCUMENT_BYTES:
        return Omitted(document_omitted(block, OVERSIZED_DOCUMENT))
    return {"format": form, "name": document_name(block), "source": {"bytes": data.base64}}


def document_name(block: Json) -> str:
    """The title in the alphabet of document names, without its extension; `document` when nothing is left."""
    bare = _EXTENSION.sub("", string(block.get("title")).strip())
    plain = unicodedata.normalize("NFKD", bare).encode("ascii", "ignore").decode()
    return _NOT_IN_TITLE.sub(" ", plain).strip()[:200].strip() or "document"
