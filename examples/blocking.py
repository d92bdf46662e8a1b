"""Without async and await: for scripts, notebooks and web frameworks that have no event loop."""

import os
from pathlib import Path

from comfywire.sync import Client

SERVER = os.environ.get("COMFYWIRE_SERVER", "http://127.0.0.1:8188")
WORKFLOW = Path(__file__).parent / "workflows" / "text_to_image.json"

with Client(SERVER) as client:
    checkpoint = client.models("checkpoints")[0]
    result = client.run(WORKFLOW, inputs={"seed": 7, "checkpoint": checkpoint}, timeout=300)
    for output in result.outputs:
        print(output.kind, output.filename, len(output.read()), "bytes")
