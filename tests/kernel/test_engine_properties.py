# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for random states on the real kernel, seen by iproute2.

The states have IPv4 and IPv6, several tables, ECMP, rules, and things of others.
"""

from __future__ import annotations

import pathlib
import random
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._state import execute as carrying
from ansible_collections.kubenode.network.plugins.module_utils._state.apply import apply, roll_back
from ansible_collections.kubenode.network.plugins.module_utils._state.cni import find_networks
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError
from ansible_collections.kubenode.network.plugins.module_utils._state.observe import observe
from ansible_collections.kubenode.network.plugins.module_utils._state.options import desired_from_options
from ansible_collections.kubenode.network.plugins.module_utils._state.owned import load
from ansible_collections.kubenode.network.plugins.module_utils._state.plan import plan
from ansible_collections.kubenode.network.plugins.module_utils._state.resolve import resolve

from .worlds import add_foreign, not_ours, of_protocol, random_state, run, seen, wait_for_carriers

# Rounds of a test. Check mode and the run are compared on a few hundred pairs in any case: 100 rounds of three states.
ORDINARY, FULL = 40, 600


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> range:
    option = request.config.getoption
    return range(FULL if option("--full") else ORDINARY // 4 if option("--brief") else ORDINARY)


@pytest.fixture
def worlds(fresh_netns: t.Any, rounds: range, seed: int, tmp_path: pathlib.Path) -> t.Iterator[t.Any]:
    """Rounds of (random source, state folder), each in a namespace of its own with two NICs and things of others."""

    def each() -> t.Iterator[tuple[random.Random, pathlib.Path]]:
        for number in rounds:
            with fresh_netns() as netns:
                netns.veth("ens224", "peer224", "10.100.0.11/24", "2001:db8:a::b/64")
                netns.veth("ens256", "peer256", "172.16.0.11/24", "2001:db8:c::b/64")
                wait_for_carriers(netns)
                draw = random.Random(f"{seed} {number}")
                add_foreign(netns, draw)
                root = tmp_path / str(number)
                root.mkdir()
                yield draw, root

    return each()


def test_check_mode_says_what_the_run_does_and_the_second_run_does_nothing(worlds: t.Any) -> None:
    changed = 0
    for draw, root in worlds:
        for _step in range(3):
            wanted = random_state(draw)
            before = seen()
            predicted = run(wanted, root, check=True)
            assert seen() == before
            done = run(wanted, root)
            assert done["plan"] == predicted["plan"]
            assert done["changed"] == predicted["changed"]
            assert (done["before"], done["after"]) == (predicted["before"], predicted["after"])
            # The file that names the protocol is written once, with the first route.
            kernel = [line for line in done["plan"] if "rt_protos" not in line]
            assert (seen() != before) == bool(kernel)
            changed += bool(kernel)
            again = run(wanted, root)
            assert (again["changed"], again["plan"]) == (False, [])
    assert changed > 20


def test_nothing_of_others_is_ever_touched(worlds: t.Any) -> None:
    for draw, root in worlds:
        others = not_ours()
        for wanted in (random_state(draw), random_state(draw), None):
            run(wanted, root)
            assert not_ours() == others
        assert of_protocol("157") == set()


def test_two_owners_prune_only_their_own(worlds: t.Any) -> None:
    for draw, root in worlds:
        first = random_state(draw)
        run(first, root, owner="a")
        mine = of_protocol("157")
        second = random_state(draw)
        try:
            run(second, root, owner="b")
        except StateError:
            # It declares an object of owner a otherwise than a does.
            continue
        run({}, root, owner="b")
        after = of_protocol("157")
        replaced = {
            (name, dict(item).get("dst"), dict(item).get("metric"), dict(item).get("table"))
            for name, item in mine - after
        }
        declared_by_b = {str(entry["destination"]) for entry in second["routes"]["config"]}
        declared_by_b |= {str(entry.get("from", "all")) for entry in second["route-rules"]["config"]}
        # What is gone of a's was declared by b too, with other next hops, and so became b's to change.
        assert all(_shared(key, declared_by_b) for key in replaced), replaced


def _shared(key: t.Any, declared: set[str]) -> bool:
    name, destination, _metric, _table = key
    if name.startswith("rules"):
        return True
    text = {"default": "0.0.0.0/0" if name == "routes" else "::/0"}.get(destination, destination)
    return any(entry in (text, f"{text}/32", f"{text}/128") for entry in declared)


def test_the_way_back_restores_every_step_of_every_plan(worlds: t.Any) -> None:
    for draw, root in worlds:
        run(random_state(draw), root)
        before_text = seen()
        owned = load(str(root))
        params = {"desired_state": random_state(draw), "owner": "o"}
        desired = desired_from_options(params, "network_state")
        state = observe()
        made = plan(
            state, resolve(desired, state, owned), owned, find_networks(state.links), allow_default_override=True
        )
        steps = [change for change in made.changes if change.kind != "file"]
        for count in range(len(steps) + 1):
            done = apply(steps[:count], state, str(root))
            error = roll_back(done, state, str(root), "a test")
            assert error.details.get("rolled_back"), error
            assert seen() == before_text


def _by_gateway(change: t.Any) -> bool:
    return change.kind == "route" and change.after is not None and bool(change.after.next_hops)


def test_a_failure_at_any_step_leaves_the_node_as_it_was(
    worlds: t.Any, rounds: range, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault is made: at a random step the kernel is asked for a route by a gateway that is on no link."""
    failed = 0
    for draw, root in worlds:
        run(random_state(draw), root)
        before, records = seen(), load(str(root))
        wanted = random_state(draw)
        groups = carrying.groups

        def broken(changes: t.Any, groups: t.Any = groups, draw: random.Random = draw) -> t.Any:
            """The groups of changes, with an impossible route at a random place of one that makes routes."""
            whole = list(groups(changes))
            fit = [group for group in whole if any(_by_gateway(change) for change in group)]
            if fit:
                group = draw.choice(fit)
                good = next(change for change in group if _by_gateway(change))
                far = "192.0.2.99" if good.after.family == 2 else "2001:db8:ffff::99"
                hop = good.after.next_hops[0]._replace(gateway=far)
                bad = good._replace(before=None, after=good.after._replace(next_hops=(hop,), metric=9999))
                group.insert(draw.randint(0, len(group)), bad)
            return iter(whole)

        with monkeypatch.context() as patch:
            patch.setattr("ansible_collections.kubenode.network.plugins.module_utils._state.apply.groups", broken)
            error: StateError | None = None
            try:
                run(wanted, root)
            except StateError as caught:
                error = caught
        if error is not None:
            assert error.details.get("rolled_back") is True, error
            failed += 1
            assert seen() == before
            assert load(str(root)) == records
    assert failed > len(rounds) // 4
