"""What lies where in a log at one moment: for those who read its files while it is written.

Law: a view is of one moment, and holds what it needs of the active segment; the other files never
change, but a compaction may take them away, which whoever reads them has to expect.
"""

from typing import NamedTuple

from lithair.storage.files import Readable
from lithair.storage.segment import Segment


class LogFiles(NamedTuple):
    """The files of a log; those of the archive and the snapshot by their paths."""

    directory: str
    sealed: tuple[Segment, ...]  # in log order; complete, and never written again
    active: Segment
    active_file: Readable
    active_end: int  # where its last commit ended at that moment
    snapshot: str = ""
    archive: tuple[str, ...] | None = None  # in log order; None: there is no archive
    is_settled: bool = True  # False: a compaction is being installed, so the archive may lack some
