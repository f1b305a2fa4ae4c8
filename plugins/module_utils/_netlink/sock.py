# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A raw rtnetlink socket: dumps, single requests and big batches.

A message is a tuple ``(type, flags, body)``; the socket adds header and sequence number. Everything runs in the network
namespace in which the socket was opened. Documentation: Linux Documentation/userspace-api/netlink/intro.rst,
include/uapi/linux/netlink.h.
"""

from __future__ import annotations

import _socket  # not `socket`: that adds enums and selectors, half of the time of importing this room
import errno as _errno
import itertools
import os
import struct
import time

from ansible_collections.kubenode.network.plugins.module_utils._netlink import constants as c

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing as t

Message = tuple[int, int, bytes]

# include/linux/_socket.h and uapi/linux/netlink.h; the socket module has none of them.
_SOL_NETLINK = 270
_NETLINK_CAP_ACK, _NETLINK_EXT_ACK, _NETLINK_GET_STRICT_CHK = 10, 11, 12
_SO_RCVBUFFORCE = 33

_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_ERROR_NUMBER = struct.Struct("=i")
_DUMP_RESTARTS = 10
# Dump datagrams reach 32 KiB (netlink_dump's max_recvmsg_len).
_DATAGRAM = 65536
_SEND_BYTES = 65536
# What the kernel charges the receive buffer with for one error reply with its text (measured: 768-1,280 bytes).
_ERROR_REPLY_BYTES = 1536
_REPLY_SECONDS = 30


class NetlinkError(Exception):
    """The kernel refused a request.

    ``errno`` is the positive error number, ``message`` the kernel's own words (extended ACK, else strerror), ``index``
    the place of the refused message in its batch and ``object`` what the caller said that message stands for.
    """

    def __init__(self, errno: int, message: str = "", index: int | None = None, object: t.Any = None) -> None:
        self.errno = errno
        self.message = message or os.strerror(errno)
        self.index = index
        self.object = object
        super().__init__(self.message)

    def __str__(self) -> str:
        name = "EOPNOTSUPP" if self.errno == _errno.EOPNOTSUPP else _errno.errorcode.get(self.errno, self.errno)
        return f"{self.message} ({name})"


class StateUnknown(NetlinkError):
    """A reply was lost: what was asked may have been done or not. Read the state again."""


class RtnlSocket:
    """An rtnetlink socket, or one of another protocol that talks alike; a context manager."""

    def __init__(
        self,
        receive_buffer: int = 4 << 20,
        reply_seconds: int = _REPLY_SECONDS,
        protocol: int = _socket.NETLINK_ROUTE,
    ) -> None:
        self._protocol = protocol
        self._receive_buffer = receive_buffer
        self._reply_seconds = reply_seconds
        self._sequence = 0
        self._open()

    def _open(self) -> None:
        sock = _socket.socket(_socket.AF_NETLINK, _socket.SOCK_RAW | _socket.SOCK_CLOEXEC, self._protocol)
        try:
            try:
                sock.setsockopt(_socket.SOL_SOCKET, _SO_RCVBUFFORCE, self._receive_buffer)
            except PermissionError:
                sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_RCVBUF, self._receive_buffer)
            seconds = struct.pack("@ll", self._reply_seconds, 0)
            sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_RCVTIMEO, seconds)
            sock.setsockopt(_SOL_NETLINK, _NETLINK_EXT_ACK, 1)
            sock.setsockopt(_SOL_NETLINK, _NETLINK_CAP_ACK, 1)
            try:
                sock.setsockopt(_SOL_NETLINK, _NETLINK_GET_STRICT_CHK, 1)
                self.strict = True
            except OSError:  # before Linux 4.20: the kernel does not filter, readers must
                self.strict = False
            sock.bind((0, 0))
        except BaseException:
            sock.close()
            raise
        self._sock = sock
        granted = sock.getsockopt(_socket.SOL_SOCKET, _socket.SO_RCVBUF)
        self._batch_messages = max(1, min(1024, granted // _ERROR_REPLY_BYTES))

    def close(self) -> None:
        self._sock.close()

    def __enter__(self) -> RtnlSocket:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def dump(self, message_type: int, body: bytes) -> list[bytes]:
        """All objects of a kind, as message bodies (without the netlink header).

        The body of the request carries the filter. A dump that the kernel marks as interrupted by a change, or whose
        replies overflowed the receive buffer, is read again from the start.

        Raises NetlinkError when the kernel refuses the request, or with EINTR when the dump never came out whole.
        """
        for attempt in range(_DUMP_RESTARTS):
            if attempt:
                time.sleep(0.002 * attempt)
            try:
                bodies = self._dump_once(message_type, body)
            except StateUnknown:
                self.close()
                self._open()
                continue
            if bodies is not None:
                return bodies
        raise NetlinkError(_errno.EINTR, f"the state kept changing while it was read ({_DUMP_RESTARTS} attempts)")

    def _dump_once(self, message_type: int, body: bytes) -> list[bytes] | None:
        sequence = self._send([(message_type, c.NLM_F_REQUEST | c.NLM_F_DUMP, body)])
        unpack = _HEADER.unpack_from
        bodies: list[bytes] = []
        append = bodies.append
        flags_seen = 0
        while True:
            data = self._receive()
            position, end = 0, len(data)
            while position < end:
                length, kind, flags, seq, _pid = unpack(data, position)
                if seq != sequence:  # the rest of a dump that was given up
                    position += (length + 3) & ~3
                    continue
                flags_seen |= flags
                if kind == c.NLMSG_DONE or kind == c.NLMSG_ERROR:
                    error = _error(data, position, length, flags, kind)
                    if error is not None and error.errno != _errno.EINTR:
                        raise error
                    return None if error or flags_seen & c.NLM_F_DUMP_INTR else bodies
                append(data[position + 16 : position + length])
                position += (length + 3) & ~3

    def request(self, message: Message) -> bytes | None:
        """Send one message; returns the body of the kernel's answer, None where it only acknowledges.

        Raises NetlinkError as the kernel refuses, StateUnknown when its answer was lost.
        """
        sequence = self._send([(message[0], message[1] | c.NLM_F_REQUEST | c.NLM_F_ACK, message[2])])
        answer = None
        while True:
            data = self._receive()
            position = 0
            while position < len(data):
                length, kind, flags, seq, _pid = _HEADER.unpack_from(data, position)
                if seq == sequence:
                    if kind == c.NLMSG_ERROR:
                        error = _error(data, position, length, flags, kind)
                        if error is not None:
                            raise error
                        return answer
                    answer = data[position + 16 : position + length]
                position += (length + 3) & ~3

    def batch(
        self, messages: t.Iterable[Message], objects: t.Sequence[t.Any] | None = None, stop_at_error: bool = False
    ) -> list[NetlinkError | None]:
        """Send many messages, hundreds per system call; one entry per message: None, or why the kernel refused it.

        ``messages`` may be a generator: it is consumed send by send, so that messages need not exist all at once.
        An ACK is asked on the last message of each send only, so that replies cannot overflow the receive buffer;
        errors come for every refused message anyway. The kernel works through a send in order and goes on after an
        error, so all other messages are carried out. With ``stop_at_error`` nothing is sent after the first *send*
        that had an error, and the entries of what was not sent have errno ECANCELED; messages of the same send behind
        the refused one were still carried out (their entry tells).

        ``objects``, parallel to ``messages``, is what the errors name in ``error.object``.

        Raises StateUnknown when replies were lost: some messages were carried out, read the state again.
        """
        results: list[NetlinkError | None] = []
        rest = iter(messages)
        failed = False
        while True:
            chunk = list(itertools.islice(rest, self._batch_messages))
            if not chunk:
                break
            start = 0
            while start < len(chunk):
                base = len(results)
                if failed and stop_at_error:
                    error = NetlinkError(_errno.ECANCELED, "not sent, as an earlier one failed", base)
                    results.append(error)
                    start += 1
                    continue
                part = _fitting(chunk, start)
                results.extend([None] * len(part))
                failed |= self._exchange(part, base, results)
                start += len(part)
        if objects is not None:
            for refused in results:
                if refused is not None and refused.index is not None:
                    refused.object = objects[refused.index]
        return results

    def _exchange(self, chunk: t.Sequence[Message], base: int, results: list[NetlinkError | None]) -> bool:
        last = self._send(chunk, c.NLM_F_ACK)
        first = last - len(chunk) + 1
        failed = False
        while True:
            data = self._receive()
            position = 0
            while position < len(data):
                length, kind, flags, seq, _pid = _HEADER.unpack_from(data, position)
                if kind == c.NLMSG_ERROR and first <= seq <= last:
                    error = _error(data, position, length, flags, kind)
                    if error is not None:
                        failed = True
                        error.index = base + seq - first
                        results[error.index] = error
                    if seq == last:
                        return failed
                position += (length + 3) & ~3

    def _send(self, messages: t.Sequence[Message], last_flags: int = 0) -> int:
        # Sequence numbers are 32 bits: start again well before they wrap within a batch.
        first = self._sequence + 1 if self._sequence < 0xF0000000 else 1
        pack = _HEADER.pack
        parts = [
            pack(16 + len(body), kind, flags, sequence, 0) + body
            for sequence, (kind, flags, body) in enumerate(messages, first)
        ]
        self._sequence = last = first + len(messages) - 1
        if last_flags:
            kind, flags, body = messages[-1]
            parts[-1] = pack(16 + len(body), kind, flags | last_flags, last, 0) + body
        try:
            self._sock.send(b"".join(parts))
        except OSError as error:
            if error.errno == _errno.ENOBUFS:
                raise StateUnknown(_errno.ENOBUFS, "the kernel had no buffer for the request") from None
            raise NetlinkError(error.errno or 0, f"sending to the kernel failed: {error.strerror}") from None
        return last

    def _receive(self) -> bytes:
        while True:
            try:
                data, _ancillary, flags, sender = self._sock.recvmsg(_DATAGRAM)
            except OSError as error:
                if error.errno == _errno.ENOBUFS:
                    raise StateUnknown(_errno.ENOBUFS, "replies of the kernel overflowed the receive buffer") from None
                if error.errno == _errno.EAGAIN:
                    message = f"no reply of the kernel within {self._reply_seconds} s"
                    raise StateUnknown(_errno.ETIMEDOUT, message) from None
                raise NetlinkError(error.errno or 0, f"receiving from the kernel failed: {error.strerror}") from None
            if flags & _socket.MSG_TRUNC:
                raise StateUnknown(_errno.EMSGSIZE, f"a reply of the kernel is longer than {_DATAGRAM} bytes")
            if sender[0] == 0:  # port id 0 is the kernel; other processes can send to us as well
                return data


def _fitting(messages: list[Message], start: int) -> list[Message]:
    """As many of the messages from ``start`` on as one send takes, at least one."""
    part = messages[start:] if start else messages
    while len(part) > 1 and sum([len(body) for _type, _flags, body in part]) > _SEND_BYTES - 16 * len(part):
        part = part[: len(part) // 2]
    return part


def _error(data: bytes, position: int, length: int, flags: int, kind: int) -> NetlinkError | None:
    """The error of an c.NLMSG_ERROR or c.NLMSG_DONE message, None for an ACK."""
    if length < 20:
        return None
    (number,) = _ERROR_NUMBER.unpack_from(data, position + 16)
    if number >= 0:
        return None
    message = ""
    if flags & c.NLM_F_ACK_TLVS:
        offset = position + 20
        if kind == c.NLMSG_ERROR:
            offset += 16 if flags & c.NLM_F_CAPPED else (_HEADER.unpack_from(data, offset)[0] + 3) & ~3
        while offset + 4 <= position + length:
            size, attribute = _ATTRIBUTE.unpack_from(data, offset)
            if size < 4:
                break
            if attribute == c.NLMSGERR_ATTR_MSG:
                message = data[offset + 4 : offset + size].rstrip(b"\0").decode("utf-8", "replace")
            offset += (size + 3) & ~3
    return NetlinkError(-number, message)
