"""When the refresh token before the living one comes soon enough: alike in every store."""

from typing import Final

FORESEEN_US: Final = 60 * 1_000_000
"""A request that began before the winner may be judged after it, by an instant before it; but never by so much. Where a
clock has gone back by more, an overlap would stay open until it is there again."""


def is_in_time(rotated_us: int | None, judged_us: int, overlap_us: int) -> bool:
    """Where nothing is forgiven, who began before the winner and arrived after it is not forgiven either."""
    if rotated_us is None or overlap_us <= 0:
        return False
    return -FORESEEN_US < judged_us - rotated_us < overlap_us
