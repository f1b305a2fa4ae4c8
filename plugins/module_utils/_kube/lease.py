# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Lease of coordination.k8s.io, so that two runs never do the cluster's part of a job together.

It is written with the resourceVersion that was read: of two who find it free one gets it, the other one reads again.
Whether it has run out is told by the API server's clock on both sides (its ``Date`` header), so that controllers whose
clocks differ agree.
"""

from __future__ import annotations

import datetime as dt
import email.utils
import getpass
import os
import secrets
import socket
import time
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kube.checks import check_name
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Client, Object, segment
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import Answered, KubeError

MANAGER = "kubenode.network"
_POLL_SECONDS = 1.0
# As client-go writes a MicroTime (RFC 3339).
_MICRO_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"

Say = t.Callable[[str], None]


class Wish(t.NamedTuple):
    """Which Lease, for whom, and for how long."""

    name: str
    namespace: str
    holder: str
    duration: int
    """Seconds that it is held without being renewed."""
    wait_timeout: int = 0
    """Seconds to wait for somebody else's end."""

    @property
    def what(self) -> str:
        return f"Lease {self.namespace}/{self.name}"

    @property
    def folder(self) -> str:
        return f"/apis/coordination.k8s.io/v1/namespaces/{segment(self.namespace)}/leases"

    @property
    def path(self) -> str:
        return f"{self.folder}/{segment(self.name)}"


class Standing(t.NamedTuple):
    """Who holds a Lease, as the API server has it. Without a holder it is free."""

    holder: str
    acquired: str
    renewed: dt.datetime | None
    duration: int
    transitions: int

    @property
    def until(self) -> dt.datetime | None:
        return self.renewed + dt.timedelta(seconds=self.duration) if self.renewed is not None else None

    def is_held(self, now: dt.datetime) -> bool:
        return bool(self.holder) and self.until is not None and self.until > now

    def summary(self) -> dict[str, t.Any]:
        """For the result of a module; times in UTC."""
        return {
            "holder": self.holder, "acquired": self.acquired, "renewed": _text(self.renewed),
            "until": _text(self.until) if self.holder else "", "transitions": self.transitions,
        }  # fmt: skip


def wish_of(params: t.Mapping[str, t.Any]) -> Wish:
    """The options of cluster_lease. Raises KubeError for the first that is wrong."""
    for option, least in (("duration", 1), ("wait_timeout", 0)):
        if params[option] < least:
            raise KubeError(f"{option}: {params[option]} was found; expected are seconds, {least} or more")
    if params["holder"] == "":
        raise KubeError("holder: is empty; give a name that no other run has, or leave it out to have one made")
    return Wish(
        check_name("name", params["name"]), check_name("namespace", params["namespace"]),
        params["holder"] or new_holder(), params["duration"], params["wait_timeout"],
    )  # fmt: skip


def new_holder() -> str:
    """A name for this run that no other one has: who runs it, where, and a random end."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a uid without a name, as containers have it
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}/{secrets.token_hex(4)}"


def take(client: Client, wish: Wish, check_mode: bool, say: Say) -> dict[str, t.Any]:
    """Take the Lease, or renew it where it is this holder's already.

    Raises KubeError, naming who has it, since when and until when, where somebody else holds it for longer than
    ``wait_timeout``. In check mode that is a warning, as nothing is done under the Lease then.
    """
    deadline = time.monotonic() + wish.wait_timeout
    while True:
        held = client.find(wish.path)
        now = _now(client)
        standing = _standing(held)
        if standing.holder == wish.holder or not standing.is_held(now):
            body = _held(held, standing, wish, now)
            if check_mode:
                return {"changed": True, "lease": _standing(body).summary(), "warnings": []}
            written = _write(client, wish, body, held is None)
            if written is not None:
                return {"changed": True, "lease": _standing(written).summary(), "warnings": []}
            continue
        if check_mode:
            warning = f"{_told(wish, standing)}; a run would wait for it up to {wish.wait_timeout} s"
            return {"changed": False, "lease": standing.summary(), "warnings": [warning]}
        left = deadline - time.monotonic()
        if left <= 0:
            raise KubeError(f"{_told(wish, standing)}; {_way_out(wish)}", lease=standing.summary())
        say(f"{_told(wish, standing)}: waiting")
        time.sleep(min(_POLL_SECONDS, left))


def release(client: Client, wish: Wish, check_mode: bool) -> dict[str, t.Any]:
    """Give it back where it is this holder's; somebody else's is left alone, with a warning."""
    while True:
        held = client.find(wish.path)
        standing = _standing(held)
        if held is None or standing.holder != wish.holder:
            warnings = []
            if standing.is_held(_now(client)):
                warnings.append(f"{_told(wish, standing)}, and not by {wish.holder}: it was left alone")
            return {"changed": False, "lease": standing.summary(), "warnings": warnings}
        # The object stays, so that nobody needs the right to delete one.
        spec = {key: value for key, value in held["spec"].items() if key not in ("holderIdentity", "renewTime")}
        body = {**held, "spec": spec}
        if check_mode:
            return {"changed": True, "lease": _standing(body).summary(), "warnings": []}
        written = _write(client, wish, body, False)
        if written is not None:
            return {"changed": True, "lease": _standing(written).summary(), "warnings": []}


def _held(held: Object | None, standing: Standing, wish: Wish, now: dt.datetime) -> Object:
    """The Lease with us as its holder."""
    body = held or {
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {
            "name": wish.name, "namespace": wish.namespace, "labels": {"app.kubernetes.io/managed-by": MANAGER},
        },
    }  # fmt: skip
    ours = standing.holder == wish.holder
    spec = {**(body.get("spec") or {}), "holderIdentity": wish.holder, "renewTime": _text(now)}
    # The API server counts in whole seconds of at least one.
    spec["leaseDurationSeconds"] = wish.duration
    if not ours:
        spec["acquireTime"] = _text(now)
        spec["leaseTransitions"] = standing.transitions + (1 if held is not None else 0)
    return {**body, "spec": spec}


def _write(client: Client, wish: Wish, body: Object, new: bool) -> Object | None:
    """The Lease as it was written; None where somebody else was faster."""
    try:
        if new:
            return client.create(wish.folder, body, fieldManager=MANAGER)
        return client.replace(wish.path, body, fieldManager=MANAGER)
    except Answered as error:
        # Somebody made it, wrote it or deleted it since it was read; a namespace that is not there stays so.
        if error.status == 409 or (error.status == 404 and not new):
            return None
        raise


def _standing(held: Object | None) -> Standing:
    spec = (held or {}).get("spec") or {}
    return Standing(
        spec.get("holderIdentity") or "", spec.get("acquireTime") or "", _time(spec.get("renewTime")),
        int(spec.get("leaseDurationSeconds") or 0), int(spec.get("leaseTransitions") or 0),
    )  # fmt: skip


def _told(wish: Wish, standing: Standing) -> str:
    return (
        f"{wish.what} is held by {standing.holder} since {standing.acquired}, until {_text(standing.until)} unless "
        "that is renewed"
    )


def _way_out(wish: Wish) -> str:
    return (
        "run again when that one is done, or wait longer with wait_timeout; where you know that it is dead, free it: "
        f"kubectl --namespace {wish.namespace} delete lease {wish.name}"
    )


def _now(client: Client) -> dt.datetime:
    try:
        return email.utils.parsedate_to_datetime(client.date).astimezone(dt.timezone.utc)
    except (TypeError, ValueError):  # a proxy that takes the header away
        return dt.datetime.now(dt.timezone.utc)


def _time(text: str | None) -> dt.datetime | None:
    if not text:
        return None
    try:
        return dt.datetime.strptime(text, _MICRO_TIME).replace(tzinfo=dt.timezone.utc)
    except ValueError as error:
        raise KubeError(
            f"renewTime {text!r} of the Lease is no time as Kubernetes writes it; delete the Lease"
        ) from error


def _text(moment: dt.datetime | None) -> str:
    return moment.strftime(_MICRO_TIME) if moment is not None else ""
