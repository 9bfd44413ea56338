"""The asyncio twin of `lithair.connect`: `async with lithair.aio.connect() as lithair:`."""

from lithair.client.aio import AsyncClient, AsyncHandle, connect

__all__ = ["AsyncClient", "AsyncHandle", "connect"]
