# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`ansible-playbook reset.yml` on the lab's workers: what site.yml brought goes, of one owner and of all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .test_playbook_site import GPU, STORAGE, kernel, routes, site, whole_list

if TYPE_CHECKING:
    from conftest import Lab, LabMaker, Play, Player

ROOT = Path(__file__).resolve().parents[2]
RESET = ROOT / "playbooks" / "reset.yml"


def files(lab: Lab, host: str) -> str:
    return lab.sh(
        host,
        "find /etc -xdev -type f -exec sha256sum {} + | sort -k2; ls -A /var/lib/kubenode-network 2>/dev/null || true",
    )


def network(lab: Lab, host: str) -> dict[str, Any]:
    """What a host has without what a NIC has by being up: one that was taken up stays so."""
    shown = {part: text for part, text in kernel(lab, host).items() if part not in ("links", "routes")}
    return {
        **shown,
        "routes": routes(lab, host),
        "replies": lab.sh(host, "ip route show table 100 2>/dev/null || true"),
    }


def reset(play: Player, lab: Lab, *words: str, **options: Any) -> Play:
    # Nobody answers where the lab's workers ask for names before site.yml: that is what they are to go back to.
    return play(lab, RESET, "-e", '{"worker_network_probes": [{"type": "gateway"}]}', *words, **options)


def test_the_workers_are_what_they_were(new_lab: LabMaker, play: Player, tmp_path: Path) -> None:
    lab = new_lab()
    before, files_before = network(lab, "w1"), files(lab, "w1")
    src = whole_list(tmp_path)
    site(play, lab, src)
    declared = network(lab, "w1")
    assert declared != before

    shown = reset(play, lab, "--check", "--diff").of("w1")[0]
    assert shown["changed"] is True and shown["diff"]
    assert network(lab, "w1") == declared

    results = reset(play, lab).of("w1")
    assert [result["changed"] for result in results] == [True, False]
    assert results[0]["plan"] == shown["plan"]
    assert network(lab, "w1") == before
    assert files(lab, "w1") == files_before

    assert [result["changed"] for result in reset(play, lab).of("w1")] == [False, False]
    assert site(play, lab, src).only("w1")["changed"] is True
    assert network(lab, "w1") == declared


def test_one_owner_goes_and_the_others_stay(new_lab: LabMaker, play: Player, tmp_path: Path) -> None:
    lab = new_lab()
    site(play, lab, whole_list(tmp_path))
    standing = routes(lab, "w1")
    assert reset(play, lab, "-e", "reset_owner=worker-routes").of("w1")[0]["changed"] is True
    assert routes(lab, "w1") == standing - {STORAGE, GPU}
    assert routes(lab, "w1", "100")


def test_a_worker_that_could_not_resolve_names_any_more_keeps_what_it_has(
    new_lab: LabMaker, play: Player, tmp_path: Path
) -> None:
    lab = new_lab()
    site(play, lab, whole_list(tmp_path))
    declared = kernel(lab, "w1")
    refused = play(lab, RESET, "-e", "worker_network_rollback_timeout=30", check=False).only("w1")
    assert refused["rolled_back"] is True
    assert "dns" in refused["msg"]
    assert kernel(lab, "w1") == declared
