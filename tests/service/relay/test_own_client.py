"""Our own client, unchanged, over the face: of its fault suite what is about a ComfyUI's faults and ends.

The rest cuts the client's connection from the ComfyUI's side, counts what the ComfyUI is asked, or clears its
history: over the face the client has nothing to do with that.
"""

from collections.abc import AsyncIterator

import pytest
from tests.faults import test_endings, test_streams, test_submissions
from tests.service.relay.conftest import Face

from comfywire import Client
from comfywire.server import Server

SAME = {
    test_endings: [
        "test_an_error_and_the_end_in_one_breath_are_told_apart",
        "test_what_was_saved_before_a_failure_is_on_the_error",
        "test_a_history_entry_that_comes_late_is_waited_for",
        "test_a_rejected_prompt_lists_every_error_by_node_and_input",
        "test_a_misspelt_choice_of_many_gets_the_nearest",
        "test_an_accepted_prompt_names_the_outputs_that_were_dropped",
        "test_a_blocked_node_is_no_failure",
        "test_a_cycle_at_run_time_is_a_failure_although_it_is_recorded_as_success",
        "test_one_failed_prompt_settles_no_other",
    ],
    test_streams: [
        "test_two_clients_at_once_hear_only_their_own",
        "test_foreign_progress_and_previews_are_nobodys",
        "test_a_frame_of_many_megabytes_is_received",
        "test_junk_on_the_socket_is_never_fatal",
        "test_results_are_results_and_previews_are_previews",
        "test_every_output_node_hands_over_its_results",
        "test_messages_that_are_lost_late_or_shuffled_change_no_result",
    ],
    test_submissions: [
        "test_cancelling_a_pending_prompt_ends_it_alone",
        "test_cancelling_a_running_prompt_ends_it_alone",
        "test_cancelling_in_the_last_millisecond_never_ends_the_next_prompt",
        "test_a_prompt_that_has_ended_is_not_cancelled",
        "test_a_jobs_own_limit_cancels_it_on_the_server",
    ],
}
pytestmark = [pytest.mark.hostile]
globals().update({name: getattr(module, name) for module, names in SAME.items() for name in names})


@pytest.fixture
async def face(faces) -> AsyncIterator[Face]:
    async with faces() as face:
        yield face


@pytest.fixture
def server(face: Face) -> Server:
    face.servers[0].log.clear()
    return face.servers[0]


@pytest.fixture
async def client(face: Face) -> AsyncIterator[Client]:
    async with Client(face.url) as opened:
        yield opened
