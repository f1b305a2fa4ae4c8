# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One holder at a time, on a real API server."""

from __future__ import annotations

import contextlib
import threading
import typing as t
import urllib.error

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._kube import lease
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Client, connect
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.lease import Wish

Holding = t.Callable[..., Wish]


@pytest.fixture
def client(plane: t.Any) -> Client:
    return connect({"kubeconfig": str(plane.kubeconfig())})


@pytest.fixture
def wish(plane: t.Any, request: pytest.FixtureRequest) -> t.Iterator[Holding]:
    """wish(holder, duration=60, wait_timeout=0) of a Lease that is the test's alone."""
    name = request.node.name.replace("_", "-").replace("[", "-").replace("]", "")[:60].strip("-")
    yield lambda holder, duration=60, wait_timeout=0: Wish(name, "default", holder, duration, wait_timeout)
    # Not every test makes it.
    with contextlib.suppress(urllib.error.HTTPError):
        plane.request("DELETE", Wish(name, "default", "", 1).path)


def take(client: Client, wish: Wish, check_mode: bool = False) -> dict[str, t.Any]:
    return lease.take(client, wish, check_mode, lambda _line: None)


def test_of_many_who_want_it_at_once_one_gets_it(plane: t.Any, wish: Holding) -> None:
    outcomes: dict[str, str] = {}
    # Written anew at each call, which a reader beside it must not see half.
    kubeconfig = str(plane.kubeconfig())
    start = threading.Barrier(12, timeout=60)

    def run(name: str) -> None:
        own = connect({"kubeconfig": kubeconfig})
        start.wait()
        try:
            outcomes[name] = take(own, wish(name))["lease"]["holder"]
        except KubeError as error:
            outcomes[name] = error.message

    threads = [threading.Thread(target=run, args=(f"run-{number}",)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [name for name, said in outcomes.items() if said == name]
    assert len(winners) == 1
    losers = {name: said for name, said in outcomes.items() if name != winners[0]}
    assert len(losers) == 11
    assert all(f"is held by {winners[0]} since" in said for said in losers.values()), losers


def test_it_is_renewed_given_back_and_taken_by_the_next(client: Client, plane: t.Any, wish: Holding) -> None:
    first = take(client, wish("first"))
    renewed = take(client, wish("first", 120))
    assert (first["changed"], renewed["changed"]) == (True, True)
    assert renewed["lease"]["acquired"] == first["lease"]["acquired"]
    assert renewed["lease"]["until"] > first["lease"]["until"]
    assert renewed["lease"]["transitions"] == 0
    assert lease.release(client, wish("stranger"), False)["warnings"]
    assert plane.request("GET", wish("").path)["spec"]["holderIdentity"] == "first"
    freed = lease.release(client, wish("first"), False)
    assert (freed["changed"], freed["lease"]["holder"]) == (True, "")
    assert lease.release(client, wish("first"), False) == {**freed, "changed": False}
    assert take(client, wish("second"))["lease"]["transitions"] == 1


def test_one_that_has_run_out_is_taken_over(client: Client, wish: Holding) -> None:
    take(client, wish("dead", 1))
    taken = take(client, wish("next", wait_timeout=30))["lease"]
    assert (taken["holder"], taken["transitions"]) == ("next", 1)
    with pytest.raises(KubeError, match="is held by next"):
        take(client, wish("dead"))


def test_who_waits_gets_it_when_it_is_given_back(client: Client, plane: t.Any, wish: Holding) -> None:
    take(client, wish("first", 600))
    waiting = threading.Event()
    got: list[dict[str, t.Any]] = []

    def wait() -> None:
        own = connect({"kubeconfig": str(plane.kubeconfig())})
        got.append(lease.take(own, wish("second", wait_timeout=60), False, lambda _line: waiting.set()))

    thread = threading.Thread(target=wait)
    thread.start()
    assert waiting.wait(30)
    assert not got
    lease.release(client, wish("first"), False)
    thread.join(60)
    assert got[0]["lease"]["holder"] == "second"


def test_who_may_not_have_it_learns_who_has_it_and_what_to_do(client: Client, wish: Holding) -> None:
    mine = take(client, wish("night shift"))["lease"]
    with pytest.raises(KubeError) as refused:
        take(client, wish("day shift"))
    message = refused.value.message
    assert f"is held by night shift since {mine['acquired']}, until {mine['until']}" in message
    assert "kubectl --namespace default delete lease" in message
    assert refused.value.details["lease"] == mine


def test_check_mode_writes_nothing(client: Client, plane: t.Any, wish: Holding) -> None:
    assert take(client, wish("first"), check_mode=True)["changed"] is True
    with pytest.raises(urllib.error.HTTPError):
        plane.request("GET", wish("").path)
    take(client, wish("first"))
    before = plane.request("GET", wish("").path)
    predicted = take(client, wish("second", wait_timeout=60), check_mode=True)
    assert predicted["changed"] is False
    assert "held by first" in predicted["warnings"][0]
    assert lease.release(client, wish("first"), True)["changed"] is True
    assert plane.request("GET", wish("").path) == before


def test_holders_of_two_runs_differ() -> None:
    assert lease.new_holder() != lease.new_holder()


def test_an_unknown_namespace_is_named(client: Client) -> None:
    with pytest.raises(KubeError, match="nowhere"):
        take(client, Wish("lease", "nowhere", "first", 60))
