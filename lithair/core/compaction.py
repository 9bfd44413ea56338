"""What a compaction is to do, as it is handed to the process that does it."""

import msgspec


class CompactionPlan(msgspec.Struct, frozen=True):
    """What is to be made: the state at `cut`, the last event of a sealed segment.

    With `keep_history` the archive folder is made, and graves of deleted items are kept. Of items
    whose ids are in `purge` neither graves nor remembered answers are: they were deleted before.
    One that was made anew by the cut is an item like all others: its creation was acknowledged.
    """

    cut: int
    now_ms: int
    keep_history: bool = False
    purge: tuple[str, ...] = ()
