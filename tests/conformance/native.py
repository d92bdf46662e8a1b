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

from comfywire.server import Server, server_in_thread

__all__ = ["DIFFERS", "DIFFERS_FOR", "NATIVE", "native_face"]

NATIVE = "native"
PATIENCE = 60.0

WORDS = "the service tells in words what is wrong where a ComfyUI answers 500 without any"
ORDER = "history is in the order in which ends were recorded; of two that end together either may be first"
FOLDER = "a file's subfolder begins with the id of the job that made it"
ONCE = "each change of the count is told once, and what changes nothing is not told"
ALL = "every socket of a client_id is told, not the newest alone"
NOBODY = "what a prompt without a client_id does is told to nobody: to everybody would be to other keys, too"
LATE = "who comes back is told all that it missed of what runs, with its prompt_id"
RARE = "progress is told at most 20 times a second: what is superseded within that time is left out"
KEYS = "the database keeps extra_data without the order of its keys"
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
    "test_deleting_the_only_pending_prompt_is_told_twice": ONCE,
    "test_feature_flags_after_another_frame_are_ignored": ONCE,
    "test_after_the_old_socket_has_ended_the_same_client_id_hears_again": ONCE,
    "test_nobody_else_is_told_what_runs_when_it_connects": ONCE,
    "test_others_hear_only_how_long_the_queue_is": ONCE,
    "test_a_second_socket_of_a_client_id_takes_the_firsts_place": ALL,
    "test_the_old_sockets_end_takes_the_new_ones_registration_along": ALL,
    "test_a_reconnect_is_told_what_runs_but_not_of_which_prompt": LATE,
    "test_an_interrupt_without_a_submitter_is_told_to_everybody": NOBODY,
    "test_progress_of_a_prompt_without_client_id_goes_to_everybody_and_nothing_else": NOBODY,
    "test_a_prompt_is_told_from_start_to_end": RARE,
    "test_progress_tells_every_node_that_has_begun": RARE,
    "test_asynchronous_nodes_run_at_once": RARE,
    "test_the_same_prompt_again_is_told_as_cached": FOLDER,
    "test_a_saved_picture_is_numbered_from_one_in_its_folder": FOLDER,
    "test_a_prefix_may_name_a_deeper_folder": FOLDER,
    "test_a_preview_is_temporary_and_has_a_name_of_chance": FOLDER,
    "test_is_changed_in_a_prompt_is_believed": FOLDER,
    "test_a_completed_job_has_times_and_a_preview": FOLDER,
    "test_prompt_and_workflow_are_written_into_a_picture": KEYS,
    "test_old_servers_have_no_jobs_and_new_ones_not_without_api": "what is not there is 404 for every method",
    "test_a_cycle_that_arises_while_running_is_an_error_that_history_calls_a_success": "it has failed, once",
    "test_a_validator_of_its_own_may_take_its_time": "only its ComfyUI can ask it: the prompt fails there",
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
def native_face() -> Iterator[tuple[str, Server]]:
    """Run ``comfywire serve`` in front of a test server; give both once it knows the nodes."""
    with server_in_thread(profile="0.33.0") as server, tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "comfywire", "serve", "--port", "0", "--data", folder]
        with subprocess.Popen(
            [*command, "--server", server.url], stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                assert process.stdout is not None
                url = next(line for line in process.stdout if "is ready at" in line).split()[-1]
                _wait_for_nodes(url)
                yield url, server
            finally:
                process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(1)  # a program that was just there may come again: it waits
                process.terminate()


def _wait_for_nodes(url: str) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with urllib.request.urlopen(f"{url}/object_info", timeout=PATIENCE) as reply:
            if json.load(reply):
                return
        time.sleep(0.05)
    raise TimeoutError("the service does not know the nodes of its test server")
