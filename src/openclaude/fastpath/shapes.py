"""What a client is shown of answers of one form: pieces of their heads, cut out as they stand."""

import functools
import re
from operator import itemgetter
from typing import Final

from openclaude.adapters.anthropic import AnthropicAdapter
from openclaude.domain.http import Header
from openclaude.wire.answers import Form, line

_MOST: Final = 64


class Shape:
    """A form's heads as the client is shown them.

    Attributes:
        match: matches a whole head of the form, at the beginning of some bytes.
        length: the group with the body's length.
        picked: gives the lines that are shown of what `match` found, in order, in two pieces or more.
        request_id: the group with the provider's name of the request; 0 where there is none.
        status: the group with the plan's status; 0 where there is none.
        encoded: whether the body is coded, so that nothing can be read in it.
    """

    __slots__ = ("_shown", "encoded", "length", "match", "picked", "request_id", "status")

    def __init__(self, form: Form) -> None:
        told = AnthropicAdapter.shown(form.names)
        numbered = [(b"%d" % place, b"") for place in range(len(form.names))]
        places = [int(number) for number, _ in told.pick(numbered)]
        pattern, runs, groups, open_run = [re.escape(form.first) + rb"\r\n"], [], [], False
        count = 0
        for place, name in enumerate(form.names):
            if (place in places) != open_run:
                open_run = not open_run
                pattern.append(b"(" if open_run else b")")
                if open_run:
                    count += 1
                    runs.append(count)
            count += 1
            groups.append(count)
            pattern.append(line(name))
        pattern.append(rb")\r\n()" if open_run else rb"\r\n()")
        self.match = re.compile(b"".join(pattern)).match
        self.length = groups[form.length]
        self.picked = itemgetter(
            *runs, *[count + 1] * (2 - len(runs))
        )  # two at least: else it gives no tuple
        self.request_id = groups[int(told.request_id(numbered)[0])] if told.request_id is not None else 0
        self.status = groups[int(told.plan(numbered)[0])] if told.plan is not None else 0
        self.encoded = told.encoded
        self._shown = [(form.names[place], groups[place]) for place in places]

    def shown(self, found: re.Match[bytes]) -> tuple[Header, ...]:
        """The headers that the client is shown of a head."""
        return tuple([(name, found[group]) for name, group in self._shown])


@functools.lru_cache(maxsize=_MOST)
def shape_of(form: Form) -> Shape:
    """Forms are made once for each first line and names, and so are their shapes."""
    return Shape(form)
