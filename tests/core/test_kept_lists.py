"""What was answered is answered again, until something is written."""

import pytest

from lithair.core.kept_lists import (
    ANSWER_BYTES_MAX,
    BYTES_MAX,
    QUESTION_CHARACTERS_MAX,
    Asked,
    KeptLists,
)
from lithair.core.reads import Read

RED = Asked("public", (("colour", "red"), ("take", "20")), is_count=False)


def test_an_answer_is_given_again_at_its_seq_and_never_after() -> None:
    kept = KeptLists()
    assert kept.find(RED, 7) is None
    kept.keep(RED, Read(200, b"seven", seq=7), 7)
    assert kept.find(RED, 7) == Read(200, b"seven", seq=7)
    assert kept.find(RED, 8) is None
    assert kept.find(RED, 7) is None  # what is over does not come back


def test_an_answer_without_a_seq_of_its_own_is_of_the_present_one() -> None:
    kept = KeptLists()
    kept.keep(RED, Read(200, b"count"), 7)
    assert kept.find(RED, 7) == Read(200, b"count", seq=7)


@pytest.mark.parametrize(
    "other",
    [
        RED._replace(access='{"role": 1}'),
        RED._replace(pairs=(("take", "20"), ("colour", "red"))),
        RED._replace(is_count=True),
    ],
)
def test_another_question_has_another_answer(other: Asked) -> None:
    kept = KeptLists()
    kept.keep(RED, Read(200, b"seven", seq=7), 7)
    assert kept.find(other, 7) is None


@pytest.mark.parametrize(
    "read",
    [
        Read(404, b"{}", seq=7),
        Read(200, b"of before", seq=6),  # a write came while the list was made
        Read(200, b"x" * (ANSWER_BYTES_MAX + 1), seq=7),
    ],
)
def test_what_may_not_be_true_or_is_long_is_not_kept(read: Read) -> None:
    kept = KeptLists()
    kept.keep(RED, read, 7)
    assert kept.find(RED, 7) is None


def test_a_long_question_is_not_kept_and_the_words_of_a_short_one_count() -> None:
    kept = KeptLists()
    long = RED._replace(pairs=(("colour", "x" * (QUESTION_CHARACTERS_MAX + 1)),))
    kept.keep(long, Read(200, b"none", seq=7), 7)
    assert kept.find(long, 7) is None
    asked = [
        RED._replace(pairs=(("colour", f"{number:0{QUESTION_CHARACTERS_MAX - 6}}"),))
        for number in range(2 * BYTES_MAX // QUESTION_CHARACTERS_MAX)
    ]
    for each in asked:
        kept.keep(each, Read(200, b"none", seq=7), 7)
    held = sum(kept.find(each, 7) is not None for each in asked)
    assert 0 < held * QUESTION_CHARACTERS_MAX < BYTES_MAX


def test_what_is_kept_is_bounded() -> None:
    kept = KeptLists()
    body = b"x" * ANSWER_BYTES_MAX
    count = 10 * BYTES_MAX // ANSWER_BYTES_MAX
    for number in range(count):
        asked = RED._replace(pairs=(("skip", str(number)),))
        kept.keep(asked, Read(200, body, seq=7), 7)
        assert kept.find(asked, 7) is not None
    questions = [RED._replace(pairs=(("skip", str(number)),)) for number in range(count)]
    held = sum(kept.find(asked, 7) is not None for asked in questions)
    assert 0 < held * ANSWER_BYTES_MAX <= BYTES_MAX
