"""A model as the gateway sees it: its path, the way to its process, and what is known of it.

Law: a question is answered exactly once, by the process or by the link in its place; when the
model is known to have failed, nothing is asked at all.
"""

from typing import Final

UNKNOWN_SEQ: Final = -1
PUBLIC: Final = "public"  # HTTP without roles
