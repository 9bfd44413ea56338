"""What a compaction is to do, as it is handed to the process that does it."""

import msgspec


class CompactionPlan(msgspec.Struct, frozen=True):
    """What is to be made: the state at `cut`, the last event of a sealed segment.

    With `keep_history` the archive folder is made, and graves of deleted items are kept; items
    whose keys are in `purge` are left out everywhere.
    """

    cut: int
    now_ms: int
    keep_history: bool = False
    purge: tuple[str, ...] = ()
