import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from openclaude.config.lines import KeyPath, locate

STORY = '''\
# comment with [brackets] and k = 1
top = 1
dotted.inner . deep = "x # no comment"

[ gateway ] # comment
port = 4000
"quoted \\u0061" = """
[not.a.table]
key = 1 \\""" still inside ""\\
"""
'literal' = \'\'\'
[[nor.this]] ''
\'\'\'
list = [
  1, # one, two
  [2, "]"],
  { inside = 3, also.this = [4] },
  1979-05-27 07:32:00,
]

[[routes]]
match = 'a'
[routes.extra]
x = true
[[routes.extra.list]]

[[routes]]
match = "b"
inline = { a = 1, "b c" = { d = "}" } }
[routes.extra]
x = 1979-05-27 07:32:00
'''


def paths(value: object, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Every path there is in parsed TOML."""
    inner: Any = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    for key, member in inner:
        yield (*path, key)
        yield from paths(member, (*path, key))


def test_every_key_of_a_file_with_every_kind_of_syntax_has_its_line() -> None:
    found = locate(STORY)
    assert set(found) == set(paths(tomllib.loads(STORY)))
    assert found == {
        ("top",): 2,
        ("dotted",): 3,
        ("dotted", "inner"): 3,
        ("dotted", "inner", "deep"): 3,
        ("gateway",): 5,
        ("gateway", "port"): 6,
        ("gateway", "quoted a"): 7,
        ("gateway", "literal"): 11,
        ("gateway", "list"): 14,
        ("gateway", "list", 0): 15,
        ("gateway", "list", 1): 16,
        ("gateway", "list", 1, 0): 16,
        ("gateway", "list", 1, 1): 16,
        ("gateway", "list", 2): 17,
        ("gateway", "list", 2, "inside"): 17,
        ("gateway", "list", 2, "also"): 17,
        ("gateway", "list", 2, "also", "this"): 17,
        ("gateway", "list", 2, "also", "this", 0): 17,
        ("gateway", "list", 3): 18,
        ("routes",): 21,
        ("routes", 0): 21,
        ("routes", 0, "match"): 22,
        ("routes", 0, "extra"): 23,
        ("routes", 0, "extra", "x"): 24,
        ("routes", 0, "extra", "list"): 25,
        ("routes", 0, "extra", "list", 0): 25,
        ("routes", 1): 27,
        ("routes", 1, "match"): 28,
        ("routes", 1, "inline"): 29,
        ("routes", 1, "inline", "a"): 29,
        ("routes", 1, "inline", "b c"): 29,
        ("routes", 1, "inline", "b c", "d"): 29,
        ("routes", 1, "extra"): 30,
        ("routes", 1, "extra", "x"): 31,
    }


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("", {}, id="nothing"),
        pytest.param("# only a comment", {}, id="a comment without a newline"),
        pytest.param("a = 1", {("a",): 1}, id="no newline at the end"),
        pytest.param("\r\na = 1\r\nb = 2\r\n", {("a",): 2, ("b",): 3}, id="Windows newlines"),
        pytest.param('a = """"q"""""\nb = 1', {("a",): 1, ("b",): 2}, id="quotes beside the delimiter"),
        pytest.param("a = []\nb = {}", {("a",): 1, ("b",): 2}, id="nothing inside"),
        pytest.param(
            "[a.b]\nc = 1\n[a]\nd = 1",
            {("a",): 1, ("a", "b"): 1, ("a", "b", "c"): 2, ("a", "d"): 4},
            id="a table that is named again keeps its first line",
        ),
    ],
)
def test_a_key_stands_in_the_line_where_it_is_first_named(text: str, found: dict[KeyPath, int]) -> None:
    assert locate(text) == found


TEXT = st.sampled_from(
    [
        '"a # b"',
        "'[t]'",
        '"\\" = 1"',
        '"""\n[t]\nx = 1\n"""',
        "'''\n] } ''\n'''",
        '"""a\\"""b"""',
        '""""""',
        "''''a'''",
        '"""a"""""',
    ]
)
PLAIN = st.sampled_from(
    ["1", "-0.5e3", "true", "inf", "0xFF", "1979-05-27T07:32:00Z", "1979-05-27 07:32:00", "07:32:00"]
)
BLANK = st.sampled_from(["", " ", "\t"])
BREAK = st.sampled_from(["", " ", "\n", '\n  # comment ] } , "\n'])


class Writer:
    """Writes random TOML in which every key has a name of its own."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.names = 0

    def key(self) -> str:
        parts = [self.part() for _ in range(self.draw(st.integers(1, 2)))]
        return f"{self.draw(BLANK)}.{self.draw(BLANK)}".join(parts)

    def part(self) -> str:
        self.names += 1
        return self.draw(st.sampled_from(["n{}n", '"n{}n"', "'n{}n'"])).format(self.names)

    def pair(self, depth: int) -> str:
        return f"{self.key()}{self.draw(BLANK)}={self.draw(BLANK)}{self.value(depth)}"

    def value(self, depth: int) -> str:
        kind = self.draw(st.sampled_from(["text", "plain", "array", "table"] if depth else ["text", "plain"]))
        if kind == "text":
            return self.draw(TEXT)
        if kind == "plain":
            return self.draw(PLAIN)
        many = range(self.draw(st.integers(0, 3)))
        if kind == "table":
            return "{" + ", ".join(self.pair(depth - 1) for _ in many) + "}"
        return (
            "[" + "".join(f"{self.draw(BREAK)}{self.value(depth - 1)}{self.draw(BREAK)}," for _ in many) + "]"
        )

    def document(self) -> str:
        parts = [self.statement() for _ in range(self.draw(st.integers(0, 8)))]
        return "\n".join(parts)

    def statement(self) -> str:
        kind = self.draw(st.sampled_from(["pair", "table", "again", "entry", "comment"]))
        if kind == "table":
            return f"[{self.draw(BLANK)}{self.key()}]"
        if kind == "again":
            return "[[entries]]"
        if kind == "entry":
            return f"[[entries]]\n[entries.{self.key()}] # comment"
        return self.pair(3) if kind == "pair" else "# x = 1"


@st.composite
def documents(draw: st.DrawFn) -> str:
    return Writer(draw).document()


@settings(deadline=None)
@given(documents())
def test_every_path_of_any_file_is_found_in_the_line_that_names_it(text: str) -> None:
    found = locate(text)
    rows = text.split("\n")
    assert set(found) == set(paths(tomllib.loads(text)))
    for path, line in found.items():
        last = path[-1]
        if isinstance(last, str) and last != "entries":
            assert last in rows[line - 1]


@settings(deadline=None)
@given(st.text("ab.=[]{}\"'\\\n#, 1", max_size=40))
@example('a=["""\\\n""",{"b"=1}]')
def test_whatever_the_parser_accepts_is_located_whole(text: str) -> None:
    try:
        parsed = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    assert set(locate(text)) == set(paths(parsed))
