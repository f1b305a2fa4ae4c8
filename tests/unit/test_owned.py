# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The records: they come back as they were, survive crashes, and are never taken for empty."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import time
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import (
    Address,
    Link,
    NextHop,
    Route,
    Rule,
)
from ansible_collections.kubenode.network.plugins.module_utils._state import owned as records
from ansible_collections.kubenode.network.plugins.module_utils._state.model import Owned, Record, StateError
from hypothesis import given
from hypothesis import strategies as st

FILE = "var/lib/kubenode-network/owned.json"


def of(*values: t.Any, owners: tuple[str, ...] = ("worker-routes",), made: bool = True) -> Owned:
    owned: Owned = {}
    for value in values:
        kind = type(value).__name__.lower()
        owned[kind, value.name if kind == "link" else value.key] = Record(kind, value, owners, made)
    return owned


texts = st.text(max_size=12)
numbers = st.integers(0, 2**32 - 1)
raws = st.lists(st.tuples(numbers, st.binary(max_size=9)), max_size=2).map(tuple)
hops = st.builds(NextHop, texts | st.none(), texts | st.none(), st.integers(1, 256), st.booleans(), raws)
metrics = st.lists(st.tuples(numbers, numbers | st.binary()), max_size=2).map(tuple)
routes = st.builds(
    Route, st.sampled_from([2, 10]), numbers, texts, numbers, st.lists(hops, max_size=3).map(tuple), texts, numbers,
    numbers, numbers, texts | st.none(), texts | st.none(), metrics, numbers | st.none(), raws,
)  # fmt: skip
ranges = st.tuples(numbers, numbers) | st.none()
rules = st.builds(
    Rule, st.sampled_from([2, 10]), numbers, texts, numbers, texts | st.none(), source_ports=ranges, uid_range=ranges,
    invert=st.booleans(), suppress_prefix_length=numbers | st.none(), extra=raws,
)  # fmt: skip
values = (
    routes
    | rules
    | st.builds(Address, texts, st.sampled_from([2, 10]), texts, numbers, texts | st.none())
    | st.builds(Link, texts, numbers, data=st.lists(st.tuples(texts, numbers | texts), max_size=3).map(tuple))
)


@given(st.lists(st.tuples(values, st.lists(texts, max_size=2).map(tuple), st.booleans()), max_size=8))
def test_every_record_of_a_kernel_object_comes_back_equal(entries: list[tuple[t.Any, tuple[str, ...], bool]]) -> None:
    owned: Owned = {}
    for value, owners, made in entries:
        owned.update(of(value, owners=owners, made=made))
    back = records._decode(records.json.loads(records._encode(owned), object_hook=records._bytes_hook))
    assert back == owned
    assert all(type(record.value) is type(owned[key].value) for key, record in back.items())


def test_other_kinds_come_back_with_tuples_for_sequences(tmp_path: pathlib.Path) -> None:
    owned: Owned = {
        ("host", ("10.0.0.1", "api")): Record("host", ("10.0.0.1", ("api", "api.example.com")), ("a", "b"), True),
        ("table", 100): Record("table", (100, "storage", ""), (), False),
        ("sysctl", "net.ipv4.ip_forward"): Record("sysctl", {"value": "1", "before": None}, ("a",), True),
    }
    records.save(owned, str(tmp_path))
    assert records.load(str(tmp_path)) == owned


def test_no_file_is_no_records_and_any_other_failure_is_an_error(tmp_path: pathlib.Path) -> None:
    assert records.load(str(tmp_path)) == {}
    records.save(of(Route(2, 254, "10.0.0.0/8")), str(tmp_path))
    good = (tmp_path / FILE).read_text()
    for text in ("", "null", "[]", "{}", good[:-3], good.replace('"version":2', '"version":"2"'), '{"version":1}',
                 good.replace('[2,254', '[2')):  # fmt: skip
        (tmp_path / FILE).write_text(text)
        with pytest.raises(StateError, match=r"owned\.json: is damaged.*move it away"):
            records.load(str(tmp_path))
    (tmp_path / FILE).write_text(good.replace('"version":2', '"version":3'))
    with pytest.raises(StateError, match=r"format 3.*newer"):
        records.load(str(tmp_path))
    (tmp_path / FILE).unlink()
    (tmp_path / FILE).mkdir()
    with pytest.raises(StateError, match="cannot be read"):
        records.load(str(tmp_path))


def test_records_of_the_first_format_are_of_nothing_that_is_kept(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / FILE
    folder.parent.mkdir(parents=True)
    folder.write_text(
        '{"version":1,"link":[],"address":[[["a"],true,["ens224",2,"10.100.0.10",24]]],"rule":[],'
        '"other":[[["a"],true,"table",100,[100,"storage",""]]],'
        '"route":[[["a"],true,[2,254,100,[["ens224","10.100.0.1",1,false,[]]]],["10.200.0.0/16"]]]}'
    )
    found = records.load(str(tmp_path))
    assert sorted((kind, record.owners, record.made, record.persist) for (kind, _key), record in found.items()) == [
        (kind, ("a",), True, False) for kind in ("address", "route", "table")
    ]


def test_the_file_is_private_and_replaced_whole(tmp_path: pathlib.Path) -> None:
    records.save(of(Route(2, 254, "10.0.0.0/8")), str(tmp_path))
    first = os.stat(tmp_path / FILE)
    assert first.st_mode & 0o777 == 0o600
    assert os.stat((tmp_path / FILE).parent).st_mode & 0o777 == 0o700
    records.save({}, str(tmp_path))
    assert os.stat(tmp_path / FILE).st_ino != first.st_ino
    assert os.listdir((tmp_path / FILE).parent) == ["owned.json"]


def test_the_union_knows_what_was_and_what_shall_be() -> None:
    old, new = (
        of(Route(2, 254, "10.0.0.0/8"), Route(2, 254, "10.1.0.0/16")),
        of(Route(2, 254, "10.1.0.0/16"), owners=("b",)),
    )
    assert records.union(old, new) == {**old, **new}


def test_a_second_run_waits_then_names_the_first(tmp_path: pathlib.Path) -> None:
    refusal = pytest.raises(StateError, match=rf"lock: held .* another run \(process {os.getpid()}\)")
    with records.Lock(str(tmp_path)), refusal, records.Lock(str(tmp_path), seconds=0.3):
        pass
    with records.Lock(str(tmp_path), seconds=0):
        pass


def test_a_dead_holder_does_not_keep_the_lock(tmp_path: pathlib.Path) -> None:
    program = f"""
import sys, time
from ansible_collections.kubenode.network.plugins.module_utils._state.owned import Lock
with Lock({str(tmp_path)!r}):
    print("held", flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StateError, match=str(holder.pid)), records.Lock(str(tmp_path), seconds=0.2):
            pass
        holder.kill()
    start = time.monotonic()
    with records.Lock(str(tmp_path), seconds=5):
        assert time.monotonic() - start < 2


def test_ten_thousand_records_are_cheap(tmp_path: pathlib.Path) -> None:
    hop = (NextHop("ens224", "10.100.0.1"),)
    owned = of(*(Route(2, 254, f"10.{i >> 8}.{i & 255}.0/24", 100, hop, protocol=157) for i in range(10_000)))
    records.save(owned, str(tmp_path))
    start = time.process_time()
    assert records.load(str(tmp_path)) == owned
    # 10 ms on the machine it was written on; the bound is for slow ones under load.
    assert time.process_time() - start < 0.3
    assert (tmp_path / FILE).stat().st_size < 250_000
