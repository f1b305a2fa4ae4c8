# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The DNS settings of a kubelet's configuration are edited in its text, and nothing else of it changes."""

from __future__ import annotations

import json
import typing as t

import pytest
import yaml
from ansible_collections.kubenode.network.plugins.module_utils._kubelet import config
from ansible_collections.kubenode.network.plugins.module_utils._kubelet.errors import KEYS, KubeletError
from hypothesis import assume, given
from hypothesis import strategies as st

HEAD = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
KUBEADM = """\
apiVersion: kubelet.config.k8s.io/v1beta1
authentication:
  anonymous:
    enabled: false
  x509:
    clientCAFile: /etc/kubernetes/pki/ca.crt
cgroupDriver: systemd
clusterDNS:
- 10.96.0.10
clusterDomain: cluster.local
healthzPort: 10248
kind: KubeletConfiguration
logging: {}
resolvConf: /run/systemd/resolve/resolv.conf
"""
WANTED = {"cluster_dns": ("169.254.20.10", "fd00::"), "cluster_domain": "corp.example", "resolv_conf": "/etc/r.conf"}


def loaded(text: str) -> dict[str, t.Any]:
    return t.cast("dict[str, t.Any]", yaml.safe_load(text))


def test_what_kubeadm_writes_changes_in_three_places_only() -> None:
    assert config.edit(KUBEADM, "c", WANTED) == KUBEADM.replace("- 10.96.0.10", '- 169.254.20.10\n- "fd00::"').replace(
        ": cluster.local", ": corp.example"
    ).replace("/run/systemd/resolve/resolv.conf", "/etc/r.conf")
    assert config.read(KUBEADM, "c")["cluster_dns"] == (("10.96.0.10",), 8)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("clusterDNS: # ours\n  # first\n  - 10.0.0.1 # one\n  # second\n  - 10.0.0.2\n",
         "clusterDNS: # ours\n  # first\n  # second\n  - 10.0.0.2\n  - 10.0.0.3\n"),
        ("clusterDNS: [10.0.0.1, '10.0.0.2'] # both\n", "clusterDNS: [10.0.0.2, 10.0.0.3] # both\n"),
        ("clusterDNS: null # none\n", "clusterDNS: [10.0.0.2, 10.0.0.3] # none\n"),
        ("clusterDNS:\n", "clusterDNS: [10.0.0.2, 10.0.0.3]\n"),
        ("'clusterDNS':\n- \"10.0.0.1\"", "'clusterDNS':\n- 10.0.0.2\n- 10.0.0.3\n"),
        ("clusterDNS:\r\n- 10.0.0.1\r\nmaxPods: 5\r\n", "clusterDNS:\r\n- 10.0.0.2\r\n- 10.0.0.3\r\nmaxPods: 5\r\n"),
        ("x: |\n  clusterDNS:\n  - 1\n", "clusterDNS:\n- 10.0.0.2\n- 10.0.0.3\nx: |\n  clusterDNS:\n  - 1\n"),
        ("", "clusterDNS:\n- 10.0.0.2\n- 10.0.0.3\n"),
    ],
)  # fmt: skip
def test_comments_and_layout_around_a_list_stay(before: str, after: str) -> None:
    newline = "\r\n" if "\r" in before else "\n"
    head = HEAD.replace("\n", newline)
    # A key that is added comes behind those that sort before it.
    if not before.startswith(("clusterDNS", "'")):
        head, after = "", HEAD.replace("kind", "clusterDNS:\n- 10.0.0.2\n- 10.0.0.3\nkind") + before
        before = HEAD + before
    assert config.edit(head + before, "c", {"cluster_dns": ("10.0.0.2", "10.0.0.3")}) == head + after


def test_a_key_is_taken_away_and_the_comments_in_it_stay() -> None:
    text = HEAD + "clusterDNS:\n# a\n- 10.0.0.1\n# b\nclusterDomain: a # c\n"
    assert config.edit(text, "c", {"cluster_dns": None}) == HEAD + "# a\n# b\nclusterDomain: a # c\n"


@pytest.mark.parametrize("indent", [None, 2, "\t"])
def test_json_stays_json(indent: t.Any) -> None:
    before = {
        "apiVersion": config.API_VERSION,
        "kind": config.KIND,
        "clusterDNS": ["10.96.0.10"],
        "x": {"resolvConf": 1},
    }
    text = json.dumps(before, indent=indent) + "\n"
    after = config.edit(text, "c", WANTED)
    assert json.loads(after) == {**before, "clusterDNS": ["169.254.20.10", "fd00::"], "clusterDomain": "corp.example",
                                 "resolvConf": "/etc/r.conf"}  # fmt: skip
    back = config.edit(after, "c", {"cluster_dns": ("10.96.0.10",), "cluster_domain": None, "resolv_conf": None})
    assert json.loads(back) == before
    assert list(json.loads(back)) == list(before)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("clusterDNS: &dns\n- 10.0.0.1\n", "line 3: found 'clusterDNS: &dns'"),
        ("base: &b {}\n<<: *b\n", "line 4: found a merge key"),
        ("clusterDNS:\n- 10.0.0.1\nclusterDNS: []\n", "line 5: found clusterDNS a second time .*line 3"),
        ("clusterDNS:\n- - 10.0.0.1\n", "line 4"),
        ("clusterDNS: 10.0.0.1\n", "line 3: found clusterDNS '10.0.0.1', expected a list"),
        ("clusterDNS: [a,\n  b]\n", "line 3"),
        ("clusterDomain: >\n  a\n", "line 3"),
        ("clusterDomain:\n  a: b\n", "line 4"),
        ("x: 'a\nclusterDNS:\n- 1'\n", "line 3: found a quoted text that goes on in column 0"),
        ("x: {a: [1,\nclusterDNS: 2]}\n", "line 3: found a flow collection that goes on in column 0"),
        ("x:\n\t- a\n", "line 4: found a tab"),
        ("---\nkind: Pod\n", "line 3: found a second document"),
        ("? clusterDNS\n: a\n", "line 3"),
        ("clusterDomain: a\x00\n", "line 3: found the character"),
    ],
)
def test_what_is_not_understood_is_refused_with_its_line(text: str, words: str) -> None:
    with pytest.raises(KubeletError, match=words):
        config.edit(HEAD + text, "/var/lib/kubelet/config.yaml", WANTED)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "found kind None"),
        ("{kind: KubeletConfiguration}", "line 1: found 'kind: .* expected one of \""),
        ('{"kind": "KubeletConfiguration"} x', "nothing behind"),
        (HEAD.replace("v1beta1", "v1"), "line 1: found apiVersion"),
        ("- a\n", "line 1: found an item of a list"),
        (f'{{"kind": "{config.KIND}", "apiVersion": "{config.API_VERSION}", "clusterDNS": 5}}', "found clusterDNS '5'"),
    ],
)
def test_what_kubelet_would_not_take_is_refused(text: str, words: str) -> None:
    with pytest.raises(KubeletError, match=words):
        config.edit(text, "config", WANTED)


# --- properties -------------------------------------------------------------------------------------------------------

LETTERS = st.text("abcXYZ019 .:-_#'\"{}[]|>&*!%@`,\\\n~é", max_size=12)
LEAVES = st.none() | st.booleans() | st.integers() | LETTERS
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(LETTERS, inner, max_size=3))
NAMES = st.text("abkxz", min_size=1, max_size=4).map(lambda name: f"{name}Field")
ADDRESSES = st.lists(st.ip_addresses().map(str), min_size=1, max_size=3, unique=True).map(tuple)
LABELS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,5}[a-z0-9])?", fullmatch=True)
DOMAINS = st.lists(LABELS, min_size=1, max_size=3).map(".".join)
PATHS = st.text("abcdefnoy0123./_- #:'", min_size=1, max_size=12).map(lambda path: "/" + path.strip())
WISHES = st.fixed_dictionaries({}, optional={"cluster_dns": ADDRESSES, "cluster_domain": DOMAINS, "resolv_conf": PATHS})
STYLES = st.fixed_dictionaries(
    {"width": st.sampled_from([20, 200]), "default_style": st.sampled_from([None, '"', "'", "|"]),
     "indent": st.sampled_from([2, 4])}
)  # fmt: skip
GAPS = st.sampled_from(["", "\n", "# clusterDNS: x\n", "  # y\n", "\n\n# - z\n"])


@st.composite
def documents(draw: st.DrawFn) -> list[str]:
    """A configuration in pieces, an entry each with what stands above it."""
    things = draw(st.dictionaries(NAMES, VALUES, max_size=4))
    things.update({KEYS[name]: list(one) if isinstance(one, tuple) else one for name, one in draw(WISHES).items()})
    names = ["apiVersion", "kind", *draw(st.permutations(list(things)))]
    fixed = {"apiVersion": config.API_VERSION, "kind": config.KIND}
    pieces = []
    for name in names:
        value = {**things, **fixed}[name]
        style = draw(STYLES) if name in things and name not in KEYS.values() else {}
        if style and isinstance(value, (dict, list)) and draw(st.booleans()):
            flow = yaml.dump(value, allow_unicode=True, default_flow_style=True, **style)
            made = f"{name}: " + flow.rstrip("\n").replace("\n", "\n  ") + "\n"
        else:
            made = yaml.dump({name: value}, allow_unicode=True, default_flow_style=False, **style)
        pieces.append(draw(GAPS) + made)
    return pieces


@given(documents(), WISHES)
def test_every_edit_is_read_as_wanted_and_leaves_all_other_bytes(pieces: list[str], wish: dict[str, t.Any]) -> None:
    text = "".join(pieces)
    try:
        before = loaded(text)
    except (yaml.YAMLError, KeyError, ValueError):
        # A gap became a part of a text whose tag says that it is a number or the like.
        assume(False)
    try:
        after = config.edit(text, "c", wish)
    except KubeletError:
        # Refused is right where a key itself is quoted over lines or the like: never a wrong edit.
        assert any(one in text for one in ("? ", "&", "*", "\\", "'", '"'))
        return
    keys = {KEYS[name]: list(one) if isinstance(one, tuple) else one for name, one in wish.items()}
    assert loaded(after) == {**before, **keys}
    rest = after
    for piece in pieces:
        if not any(f"{key}:" in piece.splitlines()[-1] or f"\n{key}:" in f"\n{piece}" for key in keys):
            head, found, rest = rest.partition(piece)
            assert found, f"{piece!r} is gone or moved"
            assert all(not line.strip() or line.lstrip().startswith(("#", "-", *KEYS.values()))
                       for line in head.splitlines())  # fmt: skip
    assert config.edit(after, "c", wish) == after


@given(DOMAINS | PATHS | st.ip_addresses().map(str))
def test_what_is_emitted_is_read_as_that_text(value: str) -> None:
    assert yaml.safe_load(f"a: {config.yaml_edit.emit(value)}\n") == {"a": value}
