"""Our own client, unchanged, over the face: of its fault suite what is about a ComfyUI's faults and ends.

``APART`` has the rest, with the reasons.
"""

from collections.abc import AsyncIterator

import pytest
from tests.faults import test_connections, test_endings, test_streams, test_submissions
from tests.service.relay.conftest import Face

from comfywire import Client
from comfywire.server import Server

SAME = {
    test_connections: [
        "test_a_cached_prompt_that_ends_at_once_is_not_missed",
        "test_a_prompt_that_ended_before_we_came_is_found_at_once",
    ],
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
APART = {
    "it cuts, holds up or forges what goes between client and ComfyUI, which is the worker's affair here": [
        "test_a_socket_that_drops_and_comes_back_costs_nothing",
        "test_progress_goes_on_after_the_socket_came_back",
        "test_a_prompt_that_ends_while_the_socket_is_gone_is_not_missed",
        "test_an_old_socket_that_ends_late_leaves_nobody_deaf",
        "test_a_deaf_socket_is_noticed_and_replaced",
        "test_a_deaf_socket_is_replaced_while_the_prompt_still_runs",
        "test_a_socket_that_goes_deaf_in_mid_prompt_costs_two_seconds",
        "test_sockets_that_stay_deaf_cost_time_and_no_result",
        "test_a_prompt_that_ends_between_two_reads_is_not_lost",
        "test_a_server_that_refuses_connections_for_a_while_is_waited_for",
        "test_a_proxy_that_answers_503_for_a_while_says_nothing_about_a_prompt",
        "test_a_reader_that_has_stalled_the_servers_events_holds_up_no_result",
        "test_what_another_socket_hears_proves_nothing_about_ours",
        "test_a_lost_reply_never_makes_a_prompt_run_twice",
        "test_a_pending_prompt_whose_reply_was_lost_is_adopted_and_not_sent_again",
        "test_a_lost_request_is_sent_again_although_the_socket_was_lost_too",
        "test_a_server_that_answers_500_and_queues_nothing_is_believed",
        "test_a_prompt_whose_reply_never_comes_is_adopted_by_its_messages",
        "test_a_cancelled_submission_leaves_nothing_behind",
        "test_an_interrupt_that_comes_too_late_never_hits_the_next_prompt",
        "test_a_lost_reply_to_a_cancel_changes_nothing",
    ],
    "it takes prompts, history or the whole server away below the service, which has the job still": [
        "test_a_restarted_server_loses_what_it_had_and_nothing_else",
        "test_a_lost_prompt_is_submitted_again_where_the_caller_asked_for_it",
        "test_a_prompt_that_somebody_interrupts_keeps_its_outputs",
        "test_a_pending_prompt_that_somebody_deletes_is_missed_soon",
        "test_a_cleared_queue_is_told_to_every_prompt_in_it",
        "test_outputs_that_messages_named_survive_a_cleared_history",
        "test_a_success_whose_messages_and_history_are_gone_says_so",
        "test_a_status_that_lies_changes_no_verdict",
        "test_a_server_whose_worker_died_leaves_the_wait_to_the_callers_own_limit",
        "test_a_prompt_that_a_restarted_server_may_have_run_is_not_sent_again",
        "test_a_prompt_that_a_cleared_history_may_have_held_is_not_sent_again",
    ],
    "it counts what the ComfyUI is asked, or sends it prompts of its own": [
        "test_a_silent_node_costs_a_handful_of_requests",
        "test_a_thousand_prompts_in_flight_resolve_when_each_is_done",
    ],
    "a ComfyUI runs out of memory: the service runs the prompt once more, and it succeeds": [
        "test_a_node_that_raises_is_named_with_all_that_is_known",
    ],
    "it makes a server of its own, or has none": [
        "test_a_server_that_never_comes_back_ends_the_wait_in_time",
        "test_the_first_socket_is_open_before_the_first_submission",
        "test_newer_servers_list_jobs_without_their_graphs",
        "test_newer_servers_are_asked_to_cancel_by_their_own_route",
        "test_a_state_read_that_is_never_answered_is_made_again",
        "test_a_server_that_is_not_there_is_named",
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


def test_each_test_of_the_fault_suite_is_here_or_has_its_reason():
    modules = (test_connections, test_endings, test_streams, test_submissions)
    all_of_them = {name for module in modules for name in vars(module) if name.startswith("test_")}
    here = [name for names in SAME.values() for name in names]
    apart = [name for names in APART.values() for name in names]

    assert sorted([*here, *apart]) == sorted(all_of_them)
