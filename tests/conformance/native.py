"""ComfyUI's own API as the job service speaks it, and what differs there on purpose."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator

from comfywire.server import server_in_thread

__all__ = ["DIFFERS", "DIFFERS_FOR", "NATIVE", "native_face"]

NATIVE = "native"
PATIENCE = 60.0

WORDS = "the service tells in words what is wrong where a ComfyUI answers 500 without any"
ORDER = "history is in the order in which ends were recorded; of two that end together either may be first"
SAFE = "a browser is given files in the way that is safe, as at /api/v2/assets"
DIFFERS: dict[str, str] = {
    "test_the_same_id_may_be_used_again_and_history_holds_the_last": "an id stands for one prompt, for ever",
    "test_deleting_an_id_that_waits_twice_takes_one": "an id stands for one prompt, for ever",
    "test_numbers_count_up_also_over_prompts_that_are_refused": "a prompt that is refused uses up no number",
    "test_pending_prompts_are_listed_as_the_heap_holds_them": "they are listed as they will run",
    "test_prompts_run_by_number_and_a_later_front_overtakes_an_earlier_one": "front is one priority higher",
    "test_a_body_of_a_wrong_type_is_a_500_in_plain_text": WORDS,
    "test_malformed_json_is_a_500": WORDS,
    "test_pages_that_are_no_numbers_are_a_500": WORDS,
    "test_an_interrupt_whose_body_is_no_object_is_a_500": WORDS,
    "test_odd_uploads_get_their_status": WORDS,
    "test_a_mask_without_an_original_is_a_500": WORDS,
    "test_a_preview_of_something_else_is_a_500": WORDS,
    "test_an_unknown_path_is_an_empty_stream": WORDS,
    "test_a_body_over_the_limit_is_413": "a body that is no upload has a limit of its own",
    "test_unknown_routes_are_404_for_get_and_405_otherwise": "what is not there is 404 for every method",
    "test_model_folders_are_described": "where models are on a disk is told to nobody",
    "test_a_file_is_sent_as_it_is": SAFE,
    "test_a_preview_is_made_in_the_wanted_format": SAFE,
    "test_what_a_browser_would_run_is_sent_as_bytes": SAFE,
    "test_a_script_is_sent_as_bytes_by_new_servers_only": SAFE,
    "test_new_servers_keep_browsers_from_guessing_and_from_drawing_svg": SAFE,
    "test_deleting_the_only_pending_prompt_is_told_twice": "each change of the count is told once",
    "test_history_is_paged": ORDER,
    "test_history_entries_can_be_deleted_and_unknown_ids_are_no_error": ORDER,
    "test_history_of_one_prompt_is_its_entry_in_all_of_history": ORDER,
    "test_a_body_that_asks_for_nothing_changes_nothing": ORDER,
    "test_history_can_be_cleared": ORDER,
    "test_freeing_models_alone_keeps_what_is_cached": "it is asked of servers that are idle, and later",
    "test_freeing_memory_makes_a_cached_prompt_run_again": "it is asked of servers that are idle, and later",
}
"""By the name of a test: why the service answers otherwise. docs/drop-in.md tells users."""
DIFFERS_FOR = {
    "native-file-that-is-not-there": "a file in a subfolder may be the operator's: only its ComfyUI knows",
}
"""The same by the name of a test with its parameters."""


@contextlib.contextmanager
def native_face() -> Iterator[str]:
    """Run ``comfywire serve`` in front of a test server; give its address once it knows the nodes."""
    with server_in_thread(profile="0.33.0") as server, tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "comfywire", "serve", "--port", "0", "--data", folder]
        with subprocess.Popen(
            [*command, "--server", server.url], stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                assert process.stdout is not None
                url = next(line for line in process.stdout if "is ready at" in line).split()[-1]
                _wait_for_nodes(url)
                yield url
            finally:
                process.terminate()


def _wait_for_nodes(url: str) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with urllib.request.urlopen(f"{url}/object_info", timeout=PATIENCE) as reply:
            if json.load(reply):
                return
        time.sleep(0.05)
    raise TimeoutError("the service does not know the nodes of its test server")
