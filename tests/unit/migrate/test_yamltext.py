from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from openclaude.migrate.yamlnodes import Items, Node, Scalar, Table, YamlError
from openclaude.migrate.yamltext import read

# What such files are written with, the troublesome signs among it.
PIECES = st.sampled_from(
    [
        *["a", "b", "key", "claude-*", "os.environ/X", "http://127.0.0.1:4001/v1", "1", "x y", "é"],
        *[": ", ":", " ", "  ", "\n", "\n  ", "\n    ", "\n- ", "\n  - ", "- ", "-", ", ", ","],
        *[
            "{",
            "}",
            "[",
            "]",
            '"',
            "'",
            "#",
            " # c",
            "|",
            "|-",
            ">",
            "&a",
            "*a",
            "!t",
            "?",
            "? ",
            "---\n",
            "...",
        ],
        *["\t", "\\", "\\n", "%", "@", "<<: ", "=", "''", '""', "\n\n", "\r\n"],
    ]
)
TEXTS = st.lists(PIECES, max_size=14).map("".join)
WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Zl", "Zp", "Co", "Cn")), max_size=12
)
KEYS = WORDS.filter(bool)
VALUES = st.recursive(
    WORDS
    | st.sampled_from(["", "null", "1.5", "[1m]", "a: b", "- x", "#", "a #b", "os.environ/AWS_PROFILE"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


def plain(node: Node) -> Any:
    match node:
        case Scalar():
            return node.text
        case Items():
            return [plain(inner) for inner in node.nodes]
        case Table():
            return {name: plain(inner) for name, inner in node.entries.items()}


def pyyaml(text: str) -> Any:
    """What PyYAML reads, every scalar as its text, as our reader has it."""
    found = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - builds texts, lists and dictionaries only
    return "" if found is None else found


@given(TEXTS)
def test_what_is_read_means_the_same_to_pyyaml(text: str) -> None:
    try:
        ours = plain(read(text))
    except YamlError:
        return
    assert ours == pyyaml(text)


@given(VALUES, st.sampled_from([True, False, None]), st.sampled_from([None, '"', "'"]), st.integers(2, 6))
def test_what_pyyaml_writes_on_single_lines_is_read(value: Any, flow: Any, quotes: Any, indent: int) -> None:
    text = yaml.dump(
        {"key": value},
        default_flow_style=flow,
        default_style=quotes,
        indent=indent,
        width=10**6,
        allow_unicode=True,
        sort_keys=False,
        Dumper=Simple,
    )
    assert plain(read(text)) == {"key": value}


class Simple(yaml.SafeDumper):
    """Without anchors, and with tags left out: all values are texts."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


Simple.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if text else "'"),
)

READ = {
    "a list at its key's own indentation": "a:\n- b: 1\n  c: 2\n- d\n",
    "a list in a list": "- - a\n  - b\n- c\n",
    "a key of a list's entry below a blank line": "-\n\n  a: 1\n",
    "comments everywhere": "# one\na: # two\n  # three\n  b: c # four\n#five\n",
    "a flow over several lines": 'a: [b, # one\n  {c: d, "e":f}\n ]\n',
    "an empty value": "a:\nb: ~\nc: ''\n",
    "a literal block": "a: |\n  {\n    b\n\n  }\n\nc: d\n",
    "a literal block without its last line end": "a: |-\n  b\n  c\n",
    "a literal block with all of its line ends": "a: |+\n  b\n\n\nc: d\n",
    "a hash in a text": "a: b#c\nd: 'e # f'\n",
    "an address": "a: http://127.0.0.1:4001/v1\n",
    "a bracket in a name": "a: claude-opus-5-5[1m]\n",
    "escapes": 'a: "\\u00e9\\x41\\n\\"\\\\"\n',
    "a doubled quote": "a: 'it''s'\n",
    "the line ends of another system": "a: b\r\nc:\r\n  - d\r\n",
    "the beginning of a document": "--- # first\na: b\n",
    "nothing": "",
    "a byte order mark": "\ufeffa: b\n",
}


@pytest.mark.parametrize("case", READ)
def test_is_read_as_pyyaml_reads_it(case: str) -> None:
    assert plain(read(READ[case])) == pyyaml(READ[case])


REFUSED = {
    "an anchor": ("a: 1\nb: &x 2\n", 2, "an anchor (&), which is not read here"),
    "an alias": ("a: *x\n", 1, "an alias (*), which is not read here"),
    "an alias in a flow": ("a: [b, *x]\n", 1, "an anchor, alias or tag, which is not read here"),
    "a merge key": ("a:\n  <<: b\n", 2, "a merge key (<<), which is not read here"),
    "a tag": ("a: !!str 1\n", 1, "a tag (!), which is not read here"),
    "a folded block": ("a: >\n  b\n", 1, "a folded block (>), which is not read here"),
    "a directive": ("%YAML 1.1\n---\na: b\n", 1, "a directive (%)"),
    "a second document": ("a: b\n---\nc: d\n", 2, "more than one document"),
    "a key twice": ("a: 1\nb: 2\na: 3\n", 3, "a key that stands there twice"),
    "a key twice in a flow": ("a: {b: 1, b: 2}\n", 1, "a key that stands there twice"),
    "a text over two lines": ("a: b\n  c\n", 2, "a line that is indented and belongs to no key"),
    "a quoted text over two lines": ('a: "b\n  c"\n', 1, "a quoted text that does not end on its line"),
    "a tab": ("a:\n\tb: c\n", 2, "a tab"),
    "a bracket that is never closed": ("a: [b\nc: d\n", 2, "neither a comma nor ]"),
    "two values on a line": ("a: b: c\n", 1, "more behind a value"),
    "an escape nobody knows": ('a: "\\q"\n', 1, "an escape that is unknown"),
    "a control character": ("a: b\nc: \x00\n", 2, "a character that cannot be printed"),
    "a line that is no key": ("a: b\nc\n", 2, "a line that is no `key: value`"),
    "a wrong indentation": (
        "a:\n    b: c\n  d: e\n",
        3,
        "a line that does not belong to what stands above it",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_is_refused_with_its_line(case: str) -> None:
    text, line, what = REFUSED[case]
    with pytest.raises(YamlError) as caught:
        read(text)
    assert (caught.value.line, caught.value.what) == (line, what)
    assert caught.value.hint


def test_every_node_knows_its_line() -> None:
    found = read("a:\n  - b: 1\n    c: {d: 2}\n")
    assert isinstance(found, Table)
    items = found.entries["a"]
    assert isinstance(items, Items)
    entry = items.nodes[0]
    assert isinstance(entry, Table)
    assert (found.lines["a"], items.line, entry.lines["b"], entry.lines["c"]) == (1, 2, 2, 3)
    assert entry.entries["b"] == Scalar("1", 2)


@pytest.mark.parametrize("text", ["- " * 500 + "a", "[" * 500 + "]" * 500, "{a: " * 500 + "}" * 500])
def test_a_nesting_without_end_is_refused(text: str) -> None:
    with pytest.raises(YamlError, match="too deep"):
        read(text)
