# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The socket's bookkeeping, on a fake socket: replies that a kernel gives too seldom to wait for.

The fake knows the wire format and nothing else; what the kernel does is shown in tests/kernel/test_netlink_sock.py.
"""

from __future__ import annotations

import errno
import struct
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._netlink import constants as c
from ansible_collections.kubenode.network.plugins.module_utils._netlink import sock as sock_module
from ansible_collections.kubenode.network.plugins.module_utils._netlink.sock import (
    NetlinkError,
    RtnlSocket,
    StateUnknown,
)

Reply = t.Union[bytes, OSError]


def message(kind: int, seq: int, body: bytes = b"", flags: int = 0) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, flags, seq, 0) + body + bytes(-len(body) & 3)


def done(seq: int, error: int = 0, flags: int = 0) -> bytes:
    return message(c.NLMSG_DONE, seq, struct.pack("=i", -error), flags)


def ack(seq: int, error: int = 0, text: str = "") -> bytes:
    body = struct.pack("=i", -error) + struct.pack("=IHHII", 16, 0, 0, seq, 0)
    flags = c.NLM_F_CAPPED
    if text:
        body += struct.pack("=HH", 5 + len(text), c.NLMSGERR_ATTR_MSG) + text.encode() + b"\0"
        flags |= c.NLM_F_ACK_TLVS
    return message(c.NLMSG_ERROR, seq, body, flags)


class FakeSocket:
    """Not a kernel: plays back datagrams that ``script`` makes of the sequence numbers of each send."""

    def __init__(self, script: t.Callable[[int, list[int]], list[Reply]]) -> None:
        self.script = script
        self.sent: list[list[int]] = []
        self.queue: list[Reply] = []
        self.opened = 0

    def __call__(self, *_arguments: t.Any) -> FakeSocket:
        self.opened += 1
        return self

    def setsockopt(self, *_arguments: t.Any) -> None: ...

    def getsockopt(self, *_arguments: t.Any) -> int:
        return 1536 * 4

    def bind(self, _address: t.Any) -> None: ...

    def close(self) -> None:
        self.queue.clear()

    def send(self, data: bytes) -> int:
        position, sequences = 0, []
        while position < len(data):
            length, _kind, _flags, seq, _pid = struct.unpack_from("=IHHII", data, position)
            sequences.append(seq)
            position += length
        self.sent.append(sequences)
        self.queue += self.script(len(self.sent), sequences)
        return len(data)

    def recvmsg(self, _size: int) -> tuple[bytes, list[t.Any], int, tuple[int, int]]:
        if not self.queue:
            raise BlockingIOError(errno.EAGAIN, "time is up")
        reply = self.queue.pop(0)
        if isinstance(reply, OSError):
            raise reply
        return reply, [], 0, (0, 0)


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> t.Callable[..., tuple[RtnlSocket, FakeSocket]]:
    def build(script: t.Callable[[int, list[int]], list[Reply]]) -> tuple[RtnlSocket, FakeSocket]:
        fake = FakeSocket(script)
        monkeypatch.setattr(sock_module._socket, "socket", fake)
        return RtnlSocket(), fake

    return build


def test_a_dump_is_put_together_from_its_datagrams(play: t.Any) -> None:
    sock, _fake = play(lambda _n, s: [message(24, s[0], b"aaaa") + message(24, s[0], b"bbbb"), done(s[0])])
    assert sock.dump(26, b"") == [b"aaaa", b"bbbb"]


@pytest.mark.parametrize("where", ["object", "done"])
def test_an_interrupted_dump_is_read_again_from_the_start(play: t.Any, where: str) -> None:
    def script(attempt: int, seqs: list[int]) -> list[Reply]:
        flag = c.NLM_F_DUMP_INTR if attempt < 3 else 0
        body = b"old!" if attempt < 3 else b"new!"
        on_object, on_done = (flag, 0) if where == "object" else (0, flag)
        return [message(24, seqs[0], body, on_object), done(seqs[0], flags=on_done)]

    sock, fake = play(script)
    assert sock.dump(26, b"") == [b"new!"]
    assert len(fake.sent) == 3


def test_a_dump_that_never_comes_out_whole_is_an_error(play: t.Any) -> None:
    sock, fake = play(lambda _n, s: [done(s[0], flags=c.NLM_F_DUMP_INTR)])
    with pytest.raises(NetlinkError, match="the state kept changing while it was read \\(10 attempts\\)") as caught:
        sock.dump(26, b"")
    assert caught.value.errno == errno.EINTR
    assert len(fake.sent) == 10


def test_an_overflow_during_a_dump_means_a_new_socket_and_a_new_dump(play: t.Any) -> None:
    def script(attempt: int, seqs: list[int]) -> list[Reply]:
        if attempt == 1:
            return [message(24, seqs[0], b"lost"), OSError(errno.ENOBUFS, "overflow")]
        return [message(24, seqs[0], b"kept"), done(seqs[0])]

    sock, fake = play(script)
    assert sock.dump(26, b"") == [b"kept"]
    assert fake.opened == 2


def test_a_dump_can_end_in_an_error_with_the_kernels_words(play: t.Any) -> None:
    text = b"FIB table does not exist\0\0\0\0"
    body = struct.pack("=i", -errno.ENOENT) + struct.pack("=HH", 4 + 25, c.NLMSGERR_ATTR_MSG) + text
    sock, _fake = play(lambda _n, s: [message(c.NLMSG_DONE, s[0], body, c.NLM_F_ACK_TLVS)])
    with pytest.raises(NetlinkError, match="FIB table does not exist \\(ENOENT\\)"):
        sock.dump(26, b"")


def test_replies_to_older_requests_are_passed_over(play: t.Any) -> None:
    def script(_send: int, seqs: list[int]) -> list[Reply]:
        return [reply for seq in (seqs[0] - 1, seqs[0]) for reply in (message(24, seq, b"%4d" % seq), done(seq))]

    sock, _fake = play(script)
    assert sock.dump(26, b"") == [b"   1"]


def test_errors_go_to_the_message_they_are_about(play: t.Any) -> None:
    def script(send: int, seqs: list[int]) -> list[Reply]:
        refused = [ack(seqs[1], errno.EINVAL, "no such thing")] if send == 2 else []
        return [*refused, ack(seqs[-1])]

    sock, fake = play(script)
    results = sock.batch([(24, 0, b"")] * 10, list("abcdefghij"))
    assert [len(seqs) for seqs in fake.sent] == [4, 4, 2], "the buffer of this fake holds four error replies"
    assert [(e.index, e.object, e.message) for e in results if e] == [(5, "f", "no such thing")]


def test_an_error_of_the_last_message_is_also_the_end(play: t.Any) -> None:
    sock, _fake = play(lambda _n, s: [ack(s[-1], errno.EEXIST)])
    results = sock.batch([(24, 0, b"")] * 3)
    assert [error and error.errno for error in results] == [None, None, errno.EEXIST]


def test_stopping_leaves_the_rest_unsent(play: t.Any) -> None:
    sock, fake = play(lambda _n, s: [ack(s[0], errno.EINVAL), ack(s[-1])])
    results = sock.batch([(24, 0, b"")] * 9, list("abcdefghi"), stop_at_error=True)
    assert len(fake.sent) == 1
    assert [error and error.errno for error in results] == [errno.EINVAL, None, None, None] + [errno.ECANCELED] * 5
    assert results[8].object == "i"


def test_a_lost_ack_is_state_unknown(play: t.Any) -> None:
    sock, _fake = play(lambda _n, s: [ack(seq, errno.EEXIST) for seq in s[:-1]])
    with pytest.raises(StateUnknown, match="no reply of the kernel within 30 s") as caught:
        sock.batch([(24, 0, b"")] * 3)
    assert caught.value.errno == errno.ETIMEDOUT
    assert isinstance(caught.value, NetlinkError)


def test_an_overflow_in_a_batch_is_state_unknown(play: t.Any) -> None:
    sock, _fake = play(lambda _n, _s: [OSError(errno.ENOBUFS, "overflow")])
    with pytest.raises(StateUnknown) as caught:
        sock.batch([(24, 0, b"")] * 3)
    assert caught.value.errno == errno.ENOBUFS


def test_a_request_gives_the_answer_that_comes_before_its_ack(play: t.Any) -> None:
    sock, _fake = play(lambda _n, s: [message(24, s[0], b"here"), ack(s[0])])
    assert sock.request((26, 0, b"")) == b"here"
