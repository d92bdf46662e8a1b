"""A process of the service that does once what looks at a clock, and says as JSON what came of it."""

import asyncio
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from comfywire.service.assets.records import UrlExpired
from comfywire.service.core import Core, open_core
from comfywire.service.settings import Settings


async def main(data: str, database_url: str, job_id: str, asset_id: str, link: str) -> None:
    settings = Settings(data=Path(data), database_url=database_url, allow_private_urls=True)
    async with open_core(settings) as core:
        await core.assets.sweep()
        await core.store.expire_waiting()
        job = await core.store.get(UUID(job_id))
        assert job is not None
        estimate = await core.estimates.of(job, None)
        assert estimate.end_at is not None
        await core.webhooks.deliver_due()
        told = {
            "own": [time.time(), datetime.now(UTC).timestamp()],
            "url": core.assets.url_of(UUID(asset_id), "http://here")[0],
            "opens": await opens(core, UUID(asset_id), link),
            "end_at": estimate.end_at.timestamp(),
        }
    print(json.dumps(told))  # noqa: T201 - what the test reads


async def opens(core: Core, asset_id: UUID, link: str) -> bool:
    expires, _, signature = link.partition(" ")
    try:
        await core.assets.get_signed(asset_id, int(expires), signature)
    except UrlExpired:
        return False
    return True


asyncio.run(main(*sys.argv[1:]))
