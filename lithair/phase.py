"""Phases: the words in which a process's state is told to the supervisor, gateways and people.

Owns the vocabulary. `starting` to `stopping` are said by the process itself, the others by the
supervisor; `syncing` is a detail that a process adds while it waits for the disk.
"""

from typing import Final

STARTING: Final = "starting"
REPLAYING: Final = "replaying"
SERVING: Final = "serving"
FINISHED: Final = "finished"
STOPPING: Final = "stopping"
FAILED: Final = "failed"
STOPPED: Final = "stopped"

SYNCING: Final = "syncing"
