# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection with test doubles in place of its modules for nodes, for plays over nodes that are simulated.

Roles, playbooks and the modules for the cluster are those of the checkout. Only what would need the node's kernel and
its kubelet is another: ``doubles``, whose results say so.
"""

from __future__ import annotations

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOUBLES = ROOT / "tests/cluster/doubles"


def lay(folder: pathlib.Path) -> pathlib.Path:
    """Make it below ``folder``; the path for ANSIBLE_COLLECTIONS_PATH."""
    top = folder / "ansible_collections/kubenode/network"
    for part in ("plugins/modules", "plugins/module_utils", "meta"):
        (top / part).mkdir(parents=True)
        for path in (ROOT / part).iterdir():
            (top / part / path.name).symlink_to(path)
    for path in ROOT.iterdir():
        if path.name in ("roles", "playbooks", "galaxy.yml"):
            (top / path.name).symlink_to(path)
    for path in (ROOT / "plugins").iterdir():
        if not (top / "plugins" / path.name).exists():
            (top / "plugins" / path.name).symlink_to(path)
    for path in DOUBLES.glob("*.py"):
        shared = path.name == "simulated.py"
        place = top / ("plugins/module_utils" if shared else "plugins/modules") / path.name
        if path.name != "__init__.py":
            place.unlink(missing_ok=True)
            place.symlink_to(path)
    # The action plugin of modules for nodes speaks to the engine; a double is a module like any other.
    runtime = top / "meta/runtime.yml"
    text = runtime.read_text(encoding="utf-8")
    runtime.unlink()
    routed = re.sub(r"^    kubelet_dns:\n      action_plugin: .*\n", "", text, flags=re.MULTILINE)
    assert routed != text
    runtime.write_text(routed, encoding="utf-8")
    return folder
