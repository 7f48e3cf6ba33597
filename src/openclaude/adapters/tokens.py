"""How many tokens a text makes, from a count of its kinds of bytes. No vocabulary, one pass, and it errs high.

Every byte gets a class (lower case, upper case, digit, blank, ...), and classes and their neighbourhoods are counted
and weighed. The weights are a fit from above to the counts of real vocabularies on prose, code, JSON, CJK and other
texts of 4 KB: for models other than Claude the larger of Qwen 2/3 and GPT (o200k); for Claude the two generations of
its vocabulary, as the package `ctok` reconstructs them. docs/counting.md states the method and the error band, and
`tests/unit/adapters/test_tokens.py` holds them to it.
"""

from dataclasses import dataclass
from typing import Final

MEASURED_WHOLE: Final = 256 * 1024
"""Bytes up to which a text is counted whole; of a longer one evenly spread slices are, which takes as long."""
_SLICE: Final = 1024


@dataclass(frozen=True, slots=True)
class Weights:
    """Tokens for each thing counted.

    Attributes:
        letter, word, hump: a Latin letter; a run of letters; a capital after a small letter.
        capital, capitals: a capital that stands alone; two in a row.
        digit, mark, mark_run: a digit; a punctuation mark; a run of them.
        blank, line: a blank that no word follows; a line end or a tab.
        accented, greek, alphabetic: characters of two bytes: Latin with accents; Greek; Cyrillic, Arabic and the like.
        indic, symbol, kana, han, hangul, wide: characters of three bytes by what they mostly are.
        astral: characters of four bytes: emoji, rare Han.
    """

    letter: float
    word: float
    hump: float
    capital: float
    capitals: float
    digit: float
    mark: float
    mark_run: float
    blank: float
    line: float
    accented: float
    greek: float
    alphabetic: float
    indic: float
    symbol: float
    kana: float
    han: float
    hangul: float
    wide: float
    astral: float


OPEN: Final = Weights(
    letter=0.082,
    word=0.77,
    hump=1.47,
    capital=0.37,
    capitals=0.29,
    digit=1.37,
    mark=0.34,
    mark_run=0.11,
    blank=0.14,
    line=0.95,
    accented=4.2,
    greek=0.96,
    alphabetic=0.56,
    indic=1.09,
    symbol=1.0,
    kana=0.82,
    han=1.05,
    hangul=0.96,
    wide=1.0,
    astral=2.3,
)
"""Qwen, GPT and their like. Qwen makes a token of every digit."""

CLAUDE: Final = Weights(
    letter=0.058,
    word=0.94,
    hump=1.69,
    capital=0.8,
    capitals=1.09,
    digit=0.8,
    mark=0.0,
    mark_run=0.86,
    blank=0.13,
    line=1.28,
    accented=2.8,
    greek=0.75,
    alphabetic=0.71,
    indic=0.9,
    symbol=1.0,
    kana=0.73,
    han=1.28,
    hangul=1.32,
    wide=1.0,
    astral=3.4,
)
"""Claude up to 4.6."""

CLAUDE_4_7: Final = Weights(
    letter=0.33,
    word=1.03,
    hump=1.84,
    capital=0.0,
    capitals=0.77,
    digit=0.83,
    mark=0.39,
    mark_run=0.0,
    blank=0.18,
    line=1.28,
    accented=6.0,
    greek=0.9,
    alphabetic=0.88,
    indic=0.9,
    symbol=1.0,
    kana=1.06,
    han=1.28,
    hangul=1.72,
    wide=2.0,
    astral=3.4,
)
"""Claude from 4.7 on, which cuts the same text into about a third more tokens."""


def _class_of(byte: int) -> bytes:
    if byte < 0x80:
        char = chr(byte)
        kinds = (("a", char.islower()), ("A", char.isupper()), ("9", char.isdigit()), ("_", char == " "))
        return next((kind.encode() for kind, fits in kinds if fits), b"\n" if char in "\n\r\t" else b".")
    ends = (
        (0xC0, b"~"),
        (0xCC, b"2"),
        (0xD0, b"G"),
        (0xE0, b"y"),
        (0xE2, b"i"),
        (0xE3, b"s"),
        (0xE4, b"k"),
        (0xEA, b"h"),
        (0xEE, b"g"),
        (0xF0, b"w"),
    )
    return next((kind for end, kind in ends if byte < end), b"e")


_CLASSES: Final = b"".join(map(_class_of, range(256)))


def estimate(text: bytes, weights: Weights, measured: int = MEASURED_WHOLE) -> float:
    """Tokens of a UTF-8 text, of which at most `measured` bytes are looked at: the time is bounded."""
    if len(text) <= measured:
        return _measured(text, weights)
    step = len(text) * _SLICE // measured
    sample = b"".join(text[at : at + _SLICE] for at in range(0, len(text), step))
    return _measured(sample, weights) * len(text) / len(sample)


def _measured(text: bytes, weights: Weights) -> float:
    classes = text.translate(_CLASSES)
    count = classes.count
    small, large, pairs = count(b"a"), count(b"A"), count(b"AA")
    after_blank = count(b"_a") + count(b"_A")
    words = after_blank + count(b".a") + count(b".A") + count(b"9a") + count(b"9A")
    marks = count(b".")
    total = (
        weights.letter * (small + large)
        + weights.word * words
        + weights.hump * count(b"aA")
        + weights.capital * max(0, large - 2 * pairs)
        + weights.capitals * pairs
        + weights.digit * count(b"9")
        + weights.mark * marks
        + weights.mark_run * (marks - count(b".."))
        + weights.blank * (count(b"_") - after_blank)
        + weights.line * count(b"\n")
    )
    return total if text.isascii() else total + _beyond_ascii(classes, weights)


def _beyond_ascii(classes: bytes, weights: Weights) -> float:
    count = classes.count
    return (
        weights.accented * count(b"2")
        + weights.greek * count(b"G")
        + weights.alphabetic * count(b"y")
        + weights.indic * count(b"i")
        + weights.symbol * count(b"s")
        + weights.kana * count(b"k")
        + weights.han * count(b"h")
        + weights.hangul * count(b"g")
        + weights.wide * count(b"w")
        + weights.astral * count(b"e")
    )
