# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NodeNetworkConfigurationPolicies and bare NMState documents -> the modules' own options.

Every key of a document is converted, known to mean nothing here (then a warning names it), or an error that names
it. Format: https://nmstate.io/devel/yaml_api.html and the API nmstate.io/v1 of kubernetes-nmstate.
"""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._state import options_values as v
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError
from ansible_collections.kubenode.network.plugins.module_utils._state.options_routes import ROUTE_ALIASES, ROUTE_KEYS
from ansible_collections.kubenode.network.plugins.module_utils._state.options_rules import RULE_ALIASES, RULE_KEYS

KIND = "NodeNetworkConfigurationPolicy"
API_VERSIONS = ("nmstate.io/v1", "nmstate.io/v1beta1", "nmstate.io/v1alpha1")
_STATE_KEYS = frozenset(("interfaces", "routes", "route-rules", "dns-resolver", "description"))
_STATE_ALIASES = {"route_rules": "route-rules", "dns_resolver": "dns-resolver"}
_SPEC_KEYS = frozenset(("nodeSelector", "desiredState", "maxUnavailable"))

# What NMState itself knows; all else that we take in these places is an extension, refused by strict_nmstate.
NMSTATE_KEYS = {
    "routes": frozenset((
        "destination", "next-hop-interface", "next-hop-address", "metric", "table-id", "weight", "route-type", "source",
        "cwnd", "state",
    )),
    "route-rules": frozenset((
        "family", "state", "ip-from", "ip-to", "priority", "route-table", "fwmark", "fwmask", "action", "iif",
        "suppress-prefix-length", "suppress_prefixlength",
    )),
}  # fmt: skip

# Refused with a reason of its own; any other unknown key is refused as unknown.
_REFUSED = {
    "capture": "Captures are not supported: write the values, or Jinja in the playbook",
    "hostname": "The host name is not this collection's: use ansible.builtin.hostname",
    "ovn": "OVN is not supported", "ovs-db": "OVS is not supported", "ovs-bridge": "OVS is not supported",
    "sr-iov": "SR-IOV is not supported",
    "ethernet": "Speed, duplex, auto-negotiation and SR-IOV are not supported",
    "ethtool": "Ethtool settings are not supported",
    "controller": "List the interface among the ports of its bond, bridge or VRF",
    "copy-mac-from": "Write the mac-address", "802.1x": "802.1X is not supported",
    "dispatch": "Dispatch scripts need NetworkManager", "ports-config": "Settings of bond ports are not supported",
    "addr-gen-mode": "IPv6 autoconfiguration is not supported yet",
    "token": "IPv6 autoconfiguration is not supported yet",
}  # fmt: skip
# Accepted with the value that changes nothing, refused with any other.
_NEUTRAL: dict[str, tuple[t.Any, ...]] = {
    "lldp": ({"enabled": False}, {}), "accept-all-mac-addresses": (False,), "wait-ip": ("any",),
    "mptcp": ({"address-flags": []}, {}), "allow-extra-address": (True,), "mptcp-flags": ([],),
    "valid-life-time": ("forever",), "preferred-life-time": ("forever",), "reorder-headers": (True,),
    "loose-binding": (False,), "registration-protocol": ("none",), "promiscuous": (True,), "accept-all-mac": (True,),
    "ethernet": ({},), "ethtool": ({},), "ports-config": ([],),
}  # fmt: skip
# Labels and what nmstatectl shows for reading only.
_NOTES = frozenset(("description", "profile-name", "driver", "permanent-mac-address", "min-mtu", "max-mtu"))
# Of DHCP and autoconfiguration; where both are off they mean nothing in NMState either.
_DYNAMIC = frozenset((
    "auto-dns", "auto-gateway", "auto-routes", "auto-route-table-id", "auto-route-metric", "dhcp-client-id",
    "dhcp-duid", "dhcp-send-hostname", "dhcp-custom-hostname",
))  # fmt: skip
_AUTOMATIC = {"auto-dns": "auto_dns", "auto-gateway": "auto_gateway", "auto-routes": "auto_routes"}
_INTERFACE_KEYS = frozenset((
    "name", "type", "state", "identifier", "mac-address", "mtu", "ipv4", "ipv6", "link-aggregation", "vlan", "bridge",
    "vrf", "mac-vlan",
))  # fmt: skip
_KIND_KEYS = {
    "link-aggregation": ("bond", frozenset(("mode", "options", "port"))),
    "vlan": ("vlan", frozenset(("base-iface", "id", "protocol"))),
    "bridge": ("bridge", frozenset(("options", "port"))),
    "vrf": ("vrf", frozenset(("port", "route-table-id"))),
    "mac-vlan": ("macvlan", frozenset(("base-iface", "mode"))),
}
_KIND_ALIASES = {
    "ports": "port", "base_iface": "base-iface", "table": "route-table-id", "table-id": "route-table-id",
    "table_id": "route-table-id", "route_table_id": "route-table-id",
}  # fmt: skip
_INTERFACE_ALIASES = {"mac_address": "mac-address", "bond": "link-aggregation", "macvlan": "mac-vlan"}

# (owner, options, matched)
Document = tuple[t.Optional[str], v.Entry, bool]


def options_from_documents(documents: t.Any, node_labels: v.Entry | None, strict: bool) -> list[Document]:
    """(policy's name or None, options, whether this node is selected) of each document; empty documents are left out.

    The options are ``interfaces``, ``routes`` and ``rules`` (as the modules of these names take them), ``resolver``
    (servers, search, options), ``origin`` and ``warnings``. ``node_labels`` are needed where a nodeSelector is.
    """
    found: list[Document] = []
    policies: dict[str, v.Entry] = {}
    for position, document in enumerate(_flat(documents)):
        where = f"document {position + 1}"
        if not isinstance(document, dict):
            v.fail(where, document, f"a {KIND} or an NMState document")
        if "kind" not in document and "apiVersion" not in document:
            found.append((None, _options(document, "", strict), True))
            continue
        name, spec = _policy(document, where)
        if name in policies:
            if policies[name] == spec:
                continue
            raise StateError(f"{where}: policy {name} is there twice, with different content. Give each its own name")
        policies[name] = spec
        matched = _selected(spec.get("nodeSelector"), node_labels, f"policy {name}: spec.nodeSelector")
        if "desiredState" not in spec:
            v.fail(f"policy {name}: spec", spec, "a desiredState", "One that declares nothing says so with {}")
        options = _options(spec["desiredState"], f"policy {name}: ", strict)
        if spec.get("maxUnavailable") is not None:
            options["warnings"].append(
                f"policy {name}: maxUnavailable is not used here: the play's serial says how many nodes change at once"
            )
        found.append((name, options, matched))
    return found


def _flat(documents: t.Any) -> t.Iterator[t.Any]:
    """Each document; `kubectl get nncp -o yaml` makes lists of them."""
    if not isinstance(documents, (list, tuple)):
        v.fail("documents", documents, "a list of documents")
    for document in documents:
        if isinstance(document, dict) and document.get("kind") in ("List", KIND + "List"):
            yield from _flat(document.get("items"))
        elif document is not None:
            yield document


def _policy(document: v.Entry, where: str) -> tuple[str, v.Entry]:
    if document.get("kind") != KIND:
        v.fail(f"{where}.kind", document.get("kind"), KIND)
    v.choice(document.get("apiVersion"), API_VERSIONS, f"{where}.apiVersion")
    metadata = v.mapping(document.get("metadata"), f"{where}.metadata")
    name = v.owner_name(metadata.get("name"), f"{where}.metadata.name")
    if name is None:
        v.fail(f"{where}.metadata.name", None, "the policy's name", "It is the owner of what the policy makes")
    for key in document.keys() - {"apiVersion", "kind", "metadata", "spec", "status"}:
        v.fail(f"policy {name}", key, "apiVersion, kind, metadata and spec only")
    spec = v.mapping(document.get("spec"), f"policy {name}: spec")
    return name, _sorted_out(spec, _SPEC_KEYS, {}, f"policy {name}: spec", [])


def _selected(selector: t.Any, labels: v.Entry | None, where: str) -> bool:
    """Kubernetes' nodeSelector: every label listed is there with that value; an empty one selects every node."""
    if not selector:
        return True
    for key, value in v.mapping(selector, where).items():
        if not isinstance(value, str):
            v.fail(f"{where}[{key}]", value, "text", "Labels are text: quote numbers and booleans")
    if labels is None:
        v.fail(
            where, selector, "node_labels to match it against", "Give the node's labels, or take the nodeSelector out"
        )
    own = {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in labels.items()}
    return all(own.get(key) == value for key, value in selector.items())


def _options(state: t.Any, origin: str, strict: bool) -> v.Entry:
    """A desired state under the modules' option names."""
    warn: v.Warnings = []
    where = f"{origin}desiredState" if origin else "desired_state"
    state = _sorted_out(v.mapping(state, where), _STATE_KEYS, {} if strict else _STATE_ALIASES, where, warn)
    options: v.Entry = {"origin": origin, "warnings": warn}
    if "interfaces" in state:
        listed = v.entries(state["interfaces"], f"{origin}interfaces")
        converted = (_interface(entry, f"{origin}interfaces[{i}]", strict, warn) for i, entry in enumerate(listed))
        options["interfaces"] = [entry for entry in converted if entry["state"] != "ignore"]
    for section, name, keys, aliases in (
        ("routes", "routes", ROUTE_KEYS, ROUTE_ALIASES),
        ("route-rules", "rules", RULE_KEYS, RULE_ALIASES),
    ):
        config = _config(state, section, origin)
        if config is not None:
            at = f"{origin}{section}.config"
            listed = v.entries(config, at)
            for i, entry in enumerate(listed if strict else ()):
                _strictly(entry, NMSTATE_KEYS[section], f"{at}[{i}]")
            options[name] = [v.tidy(entry, keys, aliases, f"{at}[{i}]") for i, entry in enumerate(listed)]
    config = _config(state, "dns-resolver", origin)
    if config is not None:
        at = f"{origin}dns-resolver.config"
        config = v.tidy(v.mapping(config, at), frozenset(("server", "search", "options")), {}, at)
        # NMState: a configuration that says nothing clears all three.
        options["resolver"] = {
            "servers": config.get("server", None if config else []),
            "search": config.get("search", None if config else []),
            "options": config.get("options", None if config else []),
        }
    return options


def _config(state: v.Entry, section: str, origin: str) -> t.Any:
    """``config`` of a section; ``running`` is what NMState shows, and ignores when it applies."""
    if section not in state:
        return None
    where = f"{origin}{section}"
    return v.tidy(v.mapping(state[section], where), frozenset(("config", "running")), {}, where).get("config")


def _strictly(entry: v.Entry, keys: frozenset[str], where: str) -> None:
    for key, value in entry.items():
        named_table = key in ("table-id", "route-table") and isinstance(value, str) and not value[:1].isdigit()
        if key not in keys or (key == "state" and value == "present") or named_table:
            v.fail(
                f"{where}.{key}", value, "what NMState knows, as strict_nmstate is set", "It is an extension of ours"
            )


def _sorted_out(entry: v.Entry, keys: frozenset[str], aliases: dict[str, str], where: str, warn: v.Warnings) -> v.Entry:
    """The keys that are converted, under their kebab names; the others pass, warn or are refused by name."""
    kept: v.Entry = {}
    for key, value in entry.items():
        if value is None:
            continue
        if key in _NOTES:
            warn.append(f"{where}.{key} is not used here")
        elif key in _NEUTRAL and value in _NEUTRAL[key]:
            continue
        elif key in _REFUSED and key not in keys:
            nested = isinstance(value, dict) and "sr-iov" in value
            v.fail(f"{where}.{key}", value, "nothing", _REFUSED["sr-iov" if nested else key])
        elif key in _NEUTRAL:
            v.fail(f"{where}.{key}", value, f"{_NEUTRAL[key][0]!r} or nothing", "Other values are not supported")
        else:
            kept[key] = value
    return v.tidy(kept, keys, aliases, where)


def _interface(entry: v.Entry, where: str, strict: bool, warn: v.Warnings) -> v.Entry:
    entry = _sorted_out(entry, _INTERFACE_KEYS, {} if strict else _INTERFACE_ALIASES, where, warn)
    entry.setdefault("state", "up")  # NMState's default
    if entry.get("type") == "unknown":
        del entry["type"]
    found: v.Entry = {}
    for key, value in entry.items():
        at = f"{where}.{key}"
        if key in ("ipv4", "ipv6"):
            found[key] = _ip(v.mapping(value, at), key, at, warn)
        elif key in _KIND_KEYS:
            name, keys = _KIND_KEYS[key]
            found[name] = _sorted_out(v.mapping(value, at), keys, _KIND_ALIASES, at, warn)
            if key == "bridge":
                found[name] = _bridge(found[name], at)
        else:
            found[key.replace("-", "_")] = value
    return found


def _bridge(bridge: v.Entry, where: str) -> v.Entry:
    """NMState's ports are mappings and its STP options nested; ports have no settings of their own here."""
    found = dict(bridge)
    if isinstance(bridge.get("port"), list):
        found["port"] = [
            v.tidy(port, frozenset(("name",)), {}, f"{where}.port[{i}]").get("name") if isinstance(port, dict) else port
            for i, port in enumerate(bridge["port"])
        ]
    if "options" in bridge:
        options = dict(v.mapping(bridge["options"], f"{where}.options"))
        if isinstance(options.get("stp"), dict):
            known = frozenset(("enabled", "forward-delay", "hello-time", "max-age", "priority"))
            stp = v.tidy(options.pop("stp"), known, {}, f"{where}.options.stp")
            options.update({"stp" if key == "enabled" else key: value for key, value in stp.items()})
        if "mac-ageing-time" in options:
            options["ageing_time"] = options.pop("mac-ageing-time")
        found["options"] = options
    return found


def _ip(value: v.Entry, key: str, where: str, warn: v.Warnings) -> v.Entry:
    keys = {"enabled", "dhcp", "address", *(("autoconf",) if key == "ipv6" else ())}
    if value.get("dhcp") or value.get("autoconf"):
        keys |= _AUTOMATIC.keys()
    else:
        value = {name: setting for name, setting in value.items() if name not in _DYNAMIC}
    found = _sorted_out(value, frozenset(keys), {"addresses": "address"}, where, warn)
    found = {_AUTOMATIC.get(name, name): setting for name, setting in found.items()}
    if "address" in found:
        addresses = []
        for position, given in enumerate(v.entries(found.pop("address"), f"{where}.address")):
            at = f"{where}.address[{position}]"
            entry = _sorted_out(given, frozenset(("ip", "prefix-length")), {"prefix_length": "prefix-length"}, at, warn)
            if key == "ipv6" and str(entry.get("ip")).lower()[:3] in ("fe8", "fe9", "fea", "feb"):
                warn.append(f"{at}: link-local address {entry['ip']} is the kernel's own, and left out (as in NMState)")
            else:
                addresses.append({name.replace("-", "_"): setting for name, setting in entry.items()})
        found["addresses"] = addresses
    return found
