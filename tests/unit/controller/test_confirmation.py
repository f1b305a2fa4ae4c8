# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the controller asks for the end of a change, on a made-up node that answers late, wrongly or never, and clock.

With real nodes over SSH it is shown by tests/lab; here stands what takes minutes there, or cannot be produced at will.
"""

from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleAuthenticationFailure, AnsibleConnectionFailure, AnsibleError
from ansible_collections.kubenode.network.plugins.plugin_utils.confirmation import Clock, confirm, insist

Result = dict[str, t.Any]

OPEN = {"id": "20261122-1", "seconds_left": 58.0, "rollback_timeout": 60}
KEPT = {"changed": True, "confirmed_by": "controller", "transaction": {"id": OPEN["id"]}}
BACK = {"failed": True, "msg": "no confirmation in 60 s", "rolled_back": True, "transaction": {"id": OPEN["id"]}}
REFUSED = AnsibleConnectionFailure("Failed to connect to the host via ssh: ssh: connect to host w1 port 22: refused")


class World:
    """A clock that only our own waiting moves, and a node with an answer for each time."""

    def __init__(self, answers: t.Callable[[float], Result | Exception], attempt: float = 1.0) -> None:
        self.time = 100.0
        self.answers = answers
        self.attempt = attempt
        self.asked: list[float] = []
        self.granted: list[float] = []
        self.details: list[str] = []
        self.told: list[str] = []
        self.clock = Clock(lambda: self.time, self.wait)

    def wait(self, seconds: float) -> None:
        self.time += seconds

    def answer(self) -> Result:
        self.asked.append(self.time - 100)
        found = self.answers(self.time - 100)
        if isinstance(found, Exception):
            self.time += self.attempt
            raise found
        return dict(found)

    def commit(self, transaction: str, seconds: float) -> Result:
        assert transaction == OPEN["id"]
        self.granted.append(seconds)
        return self.answer()

    def detail(self, text: str) -> None:
        self.details.append(text)

    def tell(self, text: str) -> None:
        self.told.append(text)


def test_the_first_answer_ends_it() -> None:
    world = World(lambda _time: KEPT)
    assert confirm(world, OPEN, world.clock) == KEPT
    assert len(world.asked) == 1
    assert 0 < world.asked[0] < 1
    assert not world.told and not world.details


def test_a_path_that_takes_its_time_to_come_back_is_waited_for() -> None:
    world = World(lambda time: REFUSED if time < 40 else KEPT)
    assert confirm(world, OPEN, world.clock) == KEPT
    assert 40 <= world.asked[-1] < 43
    # No connection is given more time than the node has left.
    assert all(0 < seconds <= 58 for seconds in world.granted)


def test_a_cut_off_node_is_asked_for_the_reason_once_it_is_back() -> None:
    world = World(lambda time: REFUSED if time < 65 else BACK, attempt=10)
    answer = confirm(world, OPEN, world.clock)
    assert answer["failed"] and answer["rolled_back"]
    refused = "ssh: connect to host w1 port 22: refused"
    assert answer["msg"] == f"no confirmation in 60 s The controller's last attempt before: {refused}"


def test_who_waits_is_told_what_happens_and_how_long_it_takes() -> None:
    world = World(lambda time: REFUSED if time < 100 else BACK)
    confirm(world, OPEN, world.clock)
    assert 5 <= len(world.told) <= 7
    assert "in 43 s the node puts itself back" in world.told[0] or "in 42 s the node puts itself back" in world.told[0]
    assert "connect to host w1 port 22: refused" in world.told[0]
    assert "not confirmed in time; waiting" in world.told[-1]
    assert world.details[0].startswith("attempt 1 to confirm: ")


def test_a_node_that_never_comes_back_is_unreachable_and_the_message_says_what_it_does_by_itself() -> None:
    world = World(lambda _time: REFUSED)
    with pytest.raises(AnsibleConnectionFailure) as caught:
        confirm(world, OPEN, world.clock)
    message = str(caught.value)
    for part in (OPEN["id"], "60 s after the change its watchdog", "next boot", "state: list", "refused"):
        assert str(part) in message
    assert 175 <= world.time - 100 <= 185


def test_a_short_timeout_still_leaves_a_node_a_minute_to_come_back() -> None:
    world = World(lambda time: REFUSED if time < 65 else BACK)
    assert confirm(world, {**OPEN, "seconds_left": 8, "rollback_timeout": 10}, world.clock)["rolled_back"]


@pytest.mark.parametrize(
    "odd",
    [
        {"failed": True, "msg": "Module result deserialization failed", "module_stdout": "", "rc": 1},
        {"changed": False, "ping": "pong"},
        AnsibleError("sudo: unable to resolve host w1"),
        AnsibleAuthenticationFailure("Invalid/incorrect password"),
    ],
    ids=["no result", "another module's", "become", "password"],
)
def test_what_is_no_answer_of_ours_is_asked_again(odd: Result | Exception) -> None:
    world = World(lambda time: odd if time < 5 else KEPT)
    assert confirm(world, OPEN, world.clock) == KEPT


@pytest.mark.parametrize(
    "odd",
    [{"failed": True, "msg": "no python here", "rc": 127}, AnsibleError("no python here")],
    ids=["answer", "error"],
)
def test_a_node_that_answers_but_not_about_the_change_has_failed(odd: Result | Exception) -> None:
    world = World(lambda _time: odd)
    answer = confirm(world, OPEN, world.clock)
    assert answer["failed"]
    assert "no python here" in answer["msg"] and "state: list" in answer["msg"]
    assert 58 + 15 <= world.time - 100 < 58 + 20


def test_a_lost_answer_is_asked_for_until_it_comes() -> None:
    world = World(lambda time: REFUSED if time < 20 else {"changed": False})
    assert insist(world.answer, 60, world.tell, world.clock) == {"changed": False}
    assert len(world.told) == 1 and "trying for" in world.told[0]


def test_a_lost_answer_is_given_up_after_its_time() -> None:
    world = World(lambda _time: REFUSED)
    with pytest.raises(AnsibleConnectionFailure, match="refused"):
        insist(world.answer, 60, world.tell, world.clock)
    assert 60 <= world.time - 100 <= 63
