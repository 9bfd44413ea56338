"""Second factors: which codes are right, how often, and what is stored of their secrets."""

import base64

import pytest
from pyotp.totp import TOTP

from lithair.errors import LithairError
from lithair.gateway.second_factor import (
    SECRET_BYTES,
    STEP_S,
    SecretBox,
    new_secret,
    step_of,
    uri_of,
)

RFC_SECRET = base64.b32encode(b"12345678901234567890").decode()
KEY = b"k" * 32


# RFC 6238, appendix B, SHA-1; of its eight digits, apps show the last six.
@pytest.mark.parametrize(
    ("time_s", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_codes_are_those_of_the_rfc(time_s: int, code: str) -> None:
    step = time_s // STEP_S
    assert step_of(RFC_SECRET, code, time_s, 0) == step
    assert step_of(RFC_SECRET, f" {code[:3]} {code[3:]} ", time_s, 0) == step


def test_a_code_is_good_one_step_early_or_late_and_no_further() -> None:
    code = TOTP(RFC_SECRET).generate_otp(100)
    good = [step for step in range(95, 106) if step_of(RFC_SECRET, code, step * STEP_S, 0)]
    assert good == [99, 100, 101]
    assert step_of(RFC_SECRET, code, 99 * STEP_S, 0) == 100


def test_a_code_is_good_once_and_none_before_it_is_good_afterwards() -> None:
    now_s = 100 * STEP_S
    before, code, after = (TOTP(RFC_SECRET).generate_otp(step) for step in (99, 100, 101))
    used = step_of(RFC_SECRET, code, now_s, 0)
    assert used == 100
    assert step_of(RFC_SECRET, code, now_s, used) is None
    assert step_of(RFC_SECRET, before, now_s, used) is None
    assert step_of(RFC_SECRET, after, now_s, used) == 101


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "٢٨٧٠٨٢", "\ud800" * 6])
def test_what_is_no_code_is_of_no_step(code: str) -> None:
    assert step_of(RFC_SECRET, code, 59, 0) is None


def test_a_sealed_secret_is_opened_with_its_key_for_its_account_alone() -> None:
    secret, box = new_secret(), SecretBox(KEY)
    assert len(base64.b32decode(secret)) == SECRET_BYTES
    sealed = box.seal(secret, "ann")
    assert secret not in sealed
    assert sealed != box.seal(secret, "ann")
    assert SecretBox(KEY).open(sealed, "ann") == secret
    spoilt = sealed[:-2] + ("A" if sealed[-2] != "A" else "B") + sealed[-1]
    for given, account, key in (
        (sealed, "bob", KEY),
        (sealed, "ann", b"j" * 32),
        (spoilt, "ann", KEY),
        ("2." + sealed[2:], "ann", KEY),
        ("1.", "ann", KEY),
        ("1.!", "ann", KEY),
    ):
        with pytest.raises(LithairError):
            SecretBox(key).open(given, account)


def test_an_app_reads_the_name_and_the_server_from_the_code() -> None:
    uri = uri_of(RFC_SECRET, "Ann", "The Shop")
    assert uri.startswith("otpauth://totp/The%20Shop:Ann?")
    assert f"secret={RFC_SECRET}" in uri
