"""Rates against a list of everything that happened."""

import random

import pytest

from lithair.core.rate import KEYS_MAX, SLICES, Rate


@pytest.mark.parametrize("seed", range(100))
def test_no_window_ever_has_too_many_and_nobody_waits_much_too_long(seed: int) -> None:
    rng = random.Random(seed)
    count, per_ms = rng.randint(1, 12), rng.choice([100, 999, 1000, 60_000])
    rate = Rate(count, per_ms)
    now_ms = rng.randrange(10**12)
    passed: dict[str, list[int]] = {"a": [], "b": []}
    for _ in range(400):
        now_ms += rng.choice([0, 1, per_ms // 50, per_ms // 7, per_ms // count])
        if rng.random() < 0.01:
            now_ms += 3 * per_ms
        key = rng.choice("ab")
        times = passed[key]
        wait_ms = rate.wait_ms(key, now_ms)
        lately = [time_ms for time_ms in times if time_ms > now_ms - per_ms]
        if wait_ms:
            # It would have been too many, but for what a slice adds.
            slack_ms = per_ms // SLICES + 1
            longer = [time_ms for time_ms in times if time_ms > now_ms - per_ms - slack_ms]
            assert len(longer) >= count
            assert 0 < wait_ms <= per_ms + slack_ms
            assert rate.wait_ms(key, now_ms + wait_ms) == 0
            now_ms += wait_ms  # the rate has been told of this time
        else:
            assert len(lately) < count
            rate.add(key, now_ms)
            times.append(now_ms)


def test_one_key_does_not_count_for_another() -> None:
    rate = Rate(1, 1000)
    rate.add("a", 5)
    assert rate.wait_ms("a", 6) > 0
    assert rate.wait_ms("b", 6) == 0


def test_what_is_over_is_forgotten_and_the_rest_has_a_bound() -> None:
    rate = Rate(1, 1000)
    for number in range(1000):
        rate.add(f"old {number}", 0)
    for number in range(600):
        rate.add(f"new {number}", 5000)
    assert len(rate) <= 600
    for number in range(KEYS_MAX + 1000):
        rate.add(str(number), 5001)
    assert len(rate) == KEYS_MAX
    assert rate.wait_ms("0", 5002) == 0
    assert rate.wait_ms(str(KEYS_MAX + 999), 5002) > 0
