# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The socket against the running kernel: big batches, their errors, lost replies and interrupted dumps."""

from __future__ import annotations

import errno
import pathlib
import socket
import subprocess
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._netlink import constants as c
from ansible_collections.kubenode.network.plugins.module_utils._netlink.addresses import read_addresses
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import NextHop, Route
from ansible_collections.kubenode.network.plugins.module_utils._netlink.routes import (
    encode_add,
    encode_delete,
    read_routes,
)
from ansible_collections.kubenode.network.plugins.module_utils._netlink.sock import NetlinkError, StateUnknown

GATEWAY = NextHop("ens224", "10.100.0.1")


def _routes(count: int) -> list[Route]:
    return [Route(2, 1000, f"11.{n >> 8}.{n & 255}.0/24", next_hops=(GATEWAY,), protocol=157) for n in range(count)]


def test_one_bad_route_in_20000_is_named_and_the_others_are_made(wired: t.Any) -> None:
    routes = _routes(20000)
    bad = routes[12345]._replace(next_hops=(NextHop("ens224", "192.0.2.1"),))
    routes[12345] = bad
    sock, indexes, cache = wired.socket(), wired.indexes, {}
    results = sock.batch([encode_add(route, indexes, cache) for route in routes], routes)
    errors = [error for error in results if error is not None]
    assert len(results) == 20000
    assert [(e.index, e.object, e.errno, e.message) for e in errors] == [
        (12345, bad, errno.ENETUNREACH, "Nexthop has invalid gateway")
    ]
    assert str(errors[0]) == "Nexthop has invalid gateway (ENETUNREACH)"
    made = {entry["dst"] for entry in wired.routes("-4", 1000)}
    assert made == {route.destination for route in routes if route is not bad}

    routes.remove(bad)
    assert not any(sock.batch([encode_delete(route, indexes, cache) for route in routes]))
    assert wired.routes("-4", 1000) == []


def test_every_message_may_fail_without_an_overflow(wired: t.Any) -> None:
    """20,000 error replies: far more than a receive buffer holds, but a send never brings more than it does."""
    routes = _routes(20000)
    indexes, cache = wired.indexes, {}
    messages = [encode_add(route, indexes, cache) for route in routes]
    assert not any(wired.socket().batch(messages))
    for sock in (wired.socket(), wired.socket(receive_buffer=64 << 10)):
        results = sock.batch(messages)
        assert {(error.errno, error.message) for error in results if error} == {(errno.EEXIST, "File exists")}
        assert [error.index for error in results if error] == list(range(20000))
    assert len(wired.routes("-4", 1000)) == 20000


def test_a_batch_can_stop_at_the_first_send_with_an_error(wired: t.Any) -> None:
    routes = _routes(5000)
    routes[10] = routes[10]._replace(table=0, next_hops=(NextHop("ens224", "192.0.2.1"),))
    sock, indexes = wired.socket(), wired.indexes
    results = sock.batch([encode_add(route, indexes) for route in routes], stop_at_error=True)
    assert results[10] is not None
    assert results[10].errno == errno.ENETUNREACH
    not_sent = [index for index, error in enumerate(results) if error and error.errno == errno.ECANCELED]
    assert not_sent == list(range(not_sent[0], 5000))
    assert 11 < not_sent[0] < 5000
    made = {entry["dst"] for entry in wired.routes("-4", 1000)}
    assert made == {route.destination for route in routes[: not_sent[0]] if route is not routes[10]}


def test_messages_of_all_sizes_go_through_a_batch(wired: t.Any) -> None:
    """A route with 256 next hops is 6 KiB; sends are filled by bytes as well as by number."""
    hops = tuple(NextHop("ens224", f"10.100.0.{1 + n % 10}", 1 + n) for n in range(256))
    routes = [Route(2, 1000, f"11.0.{n}.0/24", next_hops=hops, protocol=157) for n in range(40)]
    sock, indexes = wired.socket(), wired.indexes
    assert not any(sock.batch([encode_add(route, indexes) for route in routes]))
    assert read_routes(sock, wired.names, table=1000) == routes
    assert not any(sock.batch([]))


def test_a_refused_request_has_the_kernels_words(wired: t.Any) -> None:
    sock, indexes = wired.socket(), wired.indexes
    with pytest.raises(NetlinkError, match="Nexthop has invalid gateway") as caught:
        sock.request(encode_add(Route(2, 1000, "11.0.0.0/8", next_hops=(NextHop("ens224", "192.0.2.1"),)), indexes))
    assert caught.value.errno == errno.ENETUNREACH
    with pytest.raises(NetlinkError) as plain:
        sock.request(encode_delete(Route(2, 1000, "11.0.0.0/8", next_hops=(GATEWAY,)), indexes))
    assert (plain.value.errno, plain.value.message) == (errno.ESRCH, "No such process")
    assert sock.request(encode_add(Route(2, 1000, "11.0.0.0/8", next_hops=(GATEWAY,)), indexes)) is None
    assert [entry["dst"] for entry in wired.routes("-4", 1000)] == ["11.0.0.0/8"]


def test_an_overflowed_receive_buffer_is_state_unknown_and_the_socket_goes_on(wired: t.Any) -> None:
    sock, indexes = wired.socket(), wired.indexes
    routes = _routes(3000)
    messages = [encode_add(route, indexes) for route in routes]
    assert not any(sock.batch(messages))
    # The smallest buffer the kernel allows, and sends as large as for a big one: as if memory had run out.
    small = wired.socket(receive_buffer=1)
    small._batch_messages = 1000
    with pytest.raises(StateUnknown) as caught:
        small.batch(messages)
    assert caught.value.errno == errno.ENOBUFS
    assert len(read_routes(small, wired.names, table=1000)) == 3000
    assert len(read_routes(small, wired.names, table=1000)) == 3000


def test_a_dump_that_is_interrupted_by_changes_is_read_again(wired: t.Any, tmp_path: pathlib.Path) -> None:
    """Another process adds and removes addresses all the time; what is read is whole, or an error says not."""
    wired.batch("\n".join(f"addr add 10.77.{n >> 8}.{n & 255}/32 dev ens224" for n in range(2500)))
    churn = tmp_path / "churn"
    churn.write_text("".join(f"addr {verb} 10.66.0.1/32 dev ens256\n" for verb in ("add", "del")) * 100000)
    sock, names = wired.socket(), wired.names
    dumps = interrupted = gave_up = 0
    once = sock._dump_once

    def counted(*arguments: t.Any) -> t.Any:
        nonlocal dumps, interrupted
        bodies = once(*arguments)
        dumps += 1
        interrupted += bodies is None
        return bodies

    sock._dump_once = counted
    with subprocess.Popen(["ip", "-force", "-batch", str(churn)], stderr=subprocess.DEVNULL) as writer:
        while writer.poll() is None and dumps < 200 and interrupted < 5:
            try:
                found = read_addresses(sock, names, c.AF_INET)
            except NetlinkError as error:
                if error.errno != errno.EINTR:
                    raise
                gave_up += 1
                continue
            static = [address for address in found if address.address.startswith("10.77.")]
            assert len(static) == len(set(static)) == 2500
        writer.kill()
    assert interrupted, f"no dump of {dumps} was interrupted: nothing was shown"
    assert gave_up < dumps


def test_messages_of_others_are_not_taken_for_the_kernels(wired: t.Any) -> None:
    """Any process may send to our port; here another socket answers before the kernel does."""
    sock = wired.socket()
    port = sock._sock.getsockname()[0]
    stranger = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    with stranger:
        stranger.bind((0, 0))
        fake_end = (20).to_bytes(4, "little") + c.NLMSG_DONE.to_bytes(2, "little") + bytes(2)
        fake_end += (sock._sequence + 1).to_bytes(4, "little") + bytes(8)
        stranger.sendto(fake_end, (port, 0))
        assert len(read_addresses(sock, wired.names)) >= 4


def test_the_socket_stays_in_the_namespace_it_was_opened_in(wired: t.Any, fresh_netns: t.Any) -> None:
    sock, names = wired.socket(), wired.names
    with fresh_netns():
        assert {address.interface for address in read_addresses(sock, names)} >= {"ens224", "ens256"}
