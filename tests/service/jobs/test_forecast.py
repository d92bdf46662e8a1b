"""When a job begins and ends, told by what jobs like it took."""

import pytest

from comfywire.service.jobs.forecast import Basis, Took, forecast_running, forecast_waiting

OWN, OTHERS = Took(10.0, 20), Took(4.0, 50)


@pytest.mark.parametrize(
    ("ahead", "busy", "start"),
    [
        pytest.param(0, [None], 0.0, id="an-idle-server"),
        pytest.param(0, [3.0], 1.0, id="a-server-that-has-run-for-three-of-four-seconds"),
        pytest.param(0, [9.0], 0.0, id="a-server-that-should-be-done"),
        pytest.param(0, [1.0, None], 0.0, id="the-idle-one-of-two"),
        pytest.param(2, [None], 8.0, id="two-before-it"),
        pytest.param(2, [None, None], 4.0, id="two-before-it-on-two-servers"),
        pytest.param(1, [None, 2.0], 2.0, id="one-before-it-takes-the-idle-server"),
    ],
)
def test_the_jobs_before_it_are_dealt_to_the_servers(ahead, busy, start):
    found = forecast_waiting(like_it=OWN, others=OTHERS, ahead=ahead, busy=busy)

    assert found is not None
    assert (found.start, found.end, found.basis) == (start, start + 10.0, Basis.MEASURED)


@pytest.mark.parametrize(
    ("like_it", "others", "basis"),
    [
        pytest.param(Took(10.0, 3), OTHERS, Basis.MEASURED, id="three-runs"),
        pytest.param(Took(10.0, 2), OTHERS, Basis.ROUGH, id="two-runs"),
        pytest.param(None, OTHERS, Basis.ROUGH, id="other-jobs-only"),
    ],
)
def test_it_says_what_it_rests_on(like_it, others, basis):
    found = forecast_waiting(like_it=like_it, others=others, ahead=0, busy=[None])

    assert found is not None
    assert found.basis is basis


@pytest.mark.parametrize(
    ("like_it", "busy"),
    [pytest.param(None, [None], id="nothing-has-run"), pytest.param(OWN, [], id="no-server-may-run-it")],
)
def test_without_knowledge_there_is_no_estimate(like_it, busy):
    assert forecast_waiting(like_it=like_it, others=like_it, ahead=0, busy=busy) is None


def test_a_job_that_runs_ends_when_those_before_it_did():
    found = forecast_running(like_it=OWN, ran=4.0, share=0.9)

    assert found is not None
    assert (found.start, found.end, found.basis) == (-4.0, 6.0, Basis.MEASURED)


@pytest.mark.parametrize("like_it", [pytest.param(None, id="first"), pytest.param(OWN, id="overdue")])
def test_what_is_done_of_it_tells_where_other_jobs_do_not(like_it):
    found = forecast_running(like_it=like_it, ran=30.0, share=0.75)

    assert found is not None
    assert (found.end, found.basis) == (10.0, Basis.ROUGH)
    assert forecast_running(like_it=like_it, ran=30.0, share=0.0) is None
