"""A job of the service over plain HTTP: submitted once, followed by its events, its pictures fetched."""

import json
import os
import uuid
from pathlib import Path

import httpx

SERVICE = os.environ.get("COMFYWIRE_SERVICE", "http://127.0.0.1:8190")
WORKFLOW = Path(__file__).parent / "workflows" / "text_to_image.json"


def main() -> None:
    with httpx.Client(base_url=SERVICE, timeout=60) as http:
        order = {"workflow": json.loads(WORKFLOW.read_text()), "metadata": {"order": "17"}}
        once = {"Idempotency-Key": str(uuid.uuid4())}  # sent again, it is the same job
        job = http.post("/api/v2/jobs", json=order, headers=once).raise_for_status().json()
        with http.stream("GET", job["urls"]["events"]) as events:
            for line in events.iter_lines():  # the stream ends with the job
                if line.startswith("data: "):
                    print(line.removeprefix("data: "))
        job = http.get(job["urls"]["self"]).raise_for_status().json()
        for output in job["outputs"]:
            picture = http.get(output["url"]).raise_for_status().content
            Path(output["name"]).write_bytes(picture)
            print(f"{job['status']}: {output['name']}, {len(picture)} bytes")


main()
