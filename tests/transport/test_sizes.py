"""What a question is counted as, against the bounds of what waits."""

from collections.abc import Sequence
from typing import cast

import msgpack
from hypothesis import given
from hypothesis import strategies as st

from lithair.transport.pending import Asked, size_of

TEXTS = st.text(max_size=20)
PAIRS = st.lists(st.tuples(TEXTS, TEXTS), max_size=5)
ARGUMENTS: st.SearchStrategy[Asked] = st.one_of(
    st.none(),
    TEXTS,
    st.integers(0, 1 << 62),
    st.lists(TEXTS, max_size=5),
    PAIRS,
    PAIRS.map(tuple),
    st.tuples(TEXTS, PAIRS),
    st.tuples(TEXTS, PAIRS.map(tuple)),
    st.tuples(st.integers(0, 1 << 62), st.integers(0, 1 << 62), PAIRS),
)
A_FEW: int = 3  # bytes in front of a text or a list: the envelope has room for those of the whole


@given(ARGUMENTS)
def test_a_question_is_counted_as_no_less_than_its_texts(argument: Asked) -> None:
    """And as no more than four times what it takes, for what is not ASCII, and 8 for each part."""
    packed: int = len(vars(msgpack)["packb"](argument))
    parts = 1 + _parts(argument)
    assert packed - A_FEW * parts <= size_of(argument) <= 4 * packed + 8 * parts


def _parts(argument: object) -> int:
    if isinstance(argument, list | tuple):
        return sum(1 + _parts(each) for each in cast("Sequence[object]", argument))
    return 0
