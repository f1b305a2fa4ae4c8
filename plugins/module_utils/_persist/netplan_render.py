# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What netplan would make of its files: rendered in a folder of its own, and compared before anything is applied."""

from __future__ import annotations

import collections
import os
import re
import shutil
import tempfile
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._state.files import below, read_file
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError

# netplan's own name for it comes with its Python; the generator proper is C.
_GENERATORS = ("/usr/libexec/netplan/generate", "/usr/lib/netplan/generate", "/lib/netplan/generate")
_RENDERED = ("run/systemd/network", "run/NetworkManager/system-connections")
# Lists of a definition -> what is written for an entry, by networkd's or NetworkManager's renderer.
_COUNTED = {
    "addresses": r"^(Address|address\d+)=",
    "routes": r"^(\[Route\]|route\d+=)",
    "routing-policy": r"^\[RoutingPolicyRule\]",
}
_NUMBERED = re.compile(r"^(address|route|routing-rule)\d+(_options)?=")

Rendered = dict[str, str]
"""Path -> text of what a generator wrote for its daemons."""


def render(texts: t.Mapping[str, str]) -> Rendered:
    """What the generator makes of these files (path -> text). Raises StateError in its own words."""
    from ansible_collections.kubenode.network.plugins.module_utils._state.system import run

    folder = tempfile.mkdtemp(prefix="kubenode-netplan-")
    try:
        for path, text in texts.items():
            full = os.path.join(folder, path.lstrip("/"))
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(os.open(full, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as stream:
                stream.write(text.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
        generator = next((one for one in _GENERATORS if os.path.exists(one)), "")
        try:
            run((generator, "--root-dir", folder) if generator else ("netplan", "generate", "--root-dir", folder))
        except StateError as error:
            raise StateError(f"netplan does not take what was to be written: {error}".replace(folder, "")) from None
        return rendered(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def rendered(root: str = "/") -> Rendered:
    """What stands below ``root`` for the daemons now."""
    result = {}
    for folder in _RENDERED:
        try:
            names = os.listdir(below("/" + folder, root))
        except OSError:
            continue
        for name in names:
            path = f"/{folder}/{name}"
            if "netplan-" in name and os.path.isfile(below(path, root)):
                result[path] = read_file(path, root).text or ""
    return result


def unapplied(texts: t.Mapping[str, str], root: str = "/") -> list[str]:
    """Files for the daemons that are not what netplan's files say now: somebody edited these and applied nothing."""
    wanted, found = render(texts), rendered(root)
    # A .link file is read by udev at boot; it may lag behind without anybody being surprised.
    paths = {path for path in {*wanted, *found} if not path.endswith(".link")}
    return sorted(path for path in paths if _lines(wanted.get(path, "")) != _lines(found.get(path, "")))


def strange(before: Rendered, after: Rendered, identities: t.Collection[str], ours: t.Collection[str]) -> list[str]:
    """What of the daemons' files would change and is not ours.

    ``before`` is without our files, ``after`` with them. ``identities`` are the definitions that ours are about;
    ``ours`` the names of single settings (in any case of letters) that they override.
    """
    found = []
    for path in sorted({*before, *after}):
        if before.get(path, "") == after.get(path, ""):
            continue
        name = path.rpartition("/")[2]
        if not any(f"netplan-{identity}." in name for identity in identities):
            found.append(path)
            continue
        if name.endswith(".link"):
            continue
        gone = _lines(before.get(path, "")) - _lines(after.get(path, ""))
        found += [f"{path}: {' '.join(line)}" for line in gone if not _is_ours(line[-1], ours)]
    return found


def dropped(before: Rendered, after: Rendered, identity: str, entry: t.Mapping[str, t.Any]) -> list[str]:
    """Lists of which fewer entries came out than went in: a renderer may pass over what it does not know in silence."""
    found = []
    for name, pattern in _COUNTED.items():
        count = sum(len(re.findall(pattern, text, re.MULTILINE)) for text in _about(after, identity))
        count -= sum(len(re.findall(pattern, text, re.MULTILINE)) for text in _about(before, identity))
        if count < len(entry.get(name, ())):
            found.append(f"{name} ({count} of {len(entry[name])})")
    return found


def _about(rendered: Rendered, identity: str) -> list[str]:
    return [text for path, text in rendered.items() if f"netplan-{identity}." in path]


def _is_ours(line: str, ours: t.Collection[str]) -> bool:
    return line.partition("=")[0].lower() in ours


def _lines(text: str) -> collections.Counter[tuple[str, ...]]:
    """Sections that describe one object as a whole, all other lines with their section; numbers of entries left out."""
    result: collections.Counter[tuple[str, ...]] = collections.Counter()
    section, held = "", []
    for line in [*text.split("\n"), "["]:
        if not line.startswith("["):
            if line and line[0] not in "#;":
                held.append(_NUMBERED.sub(r"\1\2=", line))
            continue
        if section in ("[Route]", "[RoutingPolicyRule]", "[Address]"):
            result.update([(section, *sorted(held))])
        else:
            result.update((section, one) for one in held)
        section, held = line, []
    return result
