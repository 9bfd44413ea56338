"""ModelHandler: what a user overrides to take part in a model's writes.

Law: hooks are plain functions and run in the model process, before the event is logged; what they
return is stored, what they raise refuses the write. A hook may run more than once for one write
(when it refers to another model, or its process died meanwhile): it should change nothing outside.
"""

import os
from typing import Generic, TypeVar

from lithair.model import Model

M = TypeVar("M", bound=Model)


class ModelHandler(Generic[M]):
    """Serve one model from one data directory; override the hooks to check or change writes."""

    def __init__(self, model: type[M], data_dir: str | os.PathLike[str]) -> None:
        self.model = model
        self.data_dir = data_dir

    def before_create(self, item: M) -> M:
        """Return the item to store; raise `Rejected` to refuse it."""
        return item

    def before_update(self, old: M, new: M) -> M:
        """Return the item to store in place of `old`; raise `Rejected` to refuse it."""
        return new

    def before_delete(self, item: M) -> None:
        """Raise `Rejected` to keep the item."""
