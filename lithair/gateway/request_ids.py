"""Request ids: what an answer and the log's lines about it have in common.

Owns the field `X-Request-Id`. Law: a request has one id, its client's where that can be one, else
one that is made when it is first needed: an answer without an error, to a request without an id,
costs no more than a look for the field.
"""

import re
import secrets
from typing import Final

from tornado.httputil import HTTPHeaders

REQUEST_ID: Final = "X-Request-Id"
FAILED: Final = "%s %s failed (request %s)"  # how the log tells of an error of ours
FORM: Final = re.compile(r"[A-Za-z0-9._:=/+-]{1,128}")  # others could break a line of the log
ID_BYTES: Final = 8  # of an id of ours: among a billion of them, two alike are 1 in 40
ERROR_STATUS_MIN: Final = 400


def new_request_id() -> str:
    """Make an id for a request that has none."""
    return secrets.token_hex(ID_BYTES)


def request_id_of(headers: HTTPHeaders) -> str:
    """Give a request's id; one that is made here is kept among the request's own fields."""
    given = headers.get(REQUEST_ID)
    if given is not None and FORM.fullmatch(given):
        return given
    made = headers[REQUEST_ID] = new_request_id()
    return made


def add_request_id(status: int, asked: HTTPHeaders, answer: HTTPHeaders) -> None:
    """Put the id into an answer's fields, where the client gave one or the answer is an error."""
    if (status >= ERROR_STATUS_MIN or REQUEST_ID in asked) and REQUEST_ID not in answer:
        answer[REQUEST_ID] = request_id_of(asked)
