# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Corefiles that CoreDNS refuses, swallows or takes, and what lint says of each.

Each one is linted by tests/unit and started by tests/cluster, so that the table itself is proved by the real server.
Upstreams are addresses of a documentation range, or the loopback.
"""

from __future__ import annotations

import typing as t


class Case(t.NamedTuple):
    """A Corefile and what is wrong with it."""

    text: str
    kind: str
    """Of the finding; empty for a valid one."""
    line: int = 0
    starts: bool = False
    """The real server starts with it."""


def _in(body: str, key: str = ".:1053") -> str:
    return f"{key} {{\n{body}\n}}\n"


def _refused(kind: str, line: int, text: str) -> Case:
    return Case(text, kind, line)


def _swallowed(kind: str, line: int, text: str) -> Case:
    return Case(text, kind, line, True)


_MANY = " ".join(f"192.0.2.{number}" for number in range(1, 17))
_KUBERNETES = "kubernetes cluster.local in-addr.arpa {\nendpoint http://127.0.0.1:1\nstartup_timeout 1s\n"

REFUSED: dict[str, Case] = {
    # The text
    "a brace never closed": _refused("syntax", 2, ".:1053 {\nwhoami\n"),
    "a block on one line": _refused("syntax", 1, ".:1053 { whoami }\n"),
    "a brace behind a plugin": _refused("syntax", 2, _in("cache 30 }")),
    "a plugin's brace never closed": _refused("syntax", 4, ".:1053 {\nforward . 192.0.2.1 {\n}\nerrors {\n"),
    "a comma too many": _refused("syntax", 1, "a.example:1053, {\nwhoami\n}\n"),
    "no second key": _refused("syntax", 1, "a.example:1053,"),
    "import of nothing": _refused("syntax", 2, _in("import")),
    "import of two": _refused("syntax", 2, _in("import a b")),
    "import of a missing file": _refused("syntax", 2, _in("import missing.conf")),
    "import with brackets": _refused("syntax", 2, _in("import [ab].conf")),
    "import with two question marks": _refused("syntax", 2, _in("import a?b?.conf")),
    "import with two stars": _refused("syntax", 2, _in("import */*.conf")),
    "a snippet before its definition": _refused("syntax", 2, _in("import late") + "(late) {\nwhoami\n}\n"),
    "a snippet twice": _refused("syntax", 4, "(a) {\nwhoami\n}\n(a) {\nwhoami\n}\n" + _in("import a")),
    "a snippet without braces": _refused("syntax", 2, "(a)\nwhoami\n"),
    "a snippet that imports itself": _refused("syntax", 3, "(a) {\nimport a\n}\n" + _in("import a")),
    # Keys
    "a brace glued to the root": _refused("stray-brace", 1, ".{\nwhoami\n}\n"),
    "an empty label": _refused("bad-key", 1, _in("whoami", "a..example:1053")),
    "a port alone": _refused("bad-key", 1, _in("whoami", ":1053")),
    "a colon without a port": _refused("bad-key", 1, _in("whoami", "a.example:")),
    "a port too high": _refused("bad-key", 1, _in("whoami", ".:65536")),
    "a label too long": _refused("bad-key", 1, _in("whoami", "a" * 64 + ".example:1053")),
    "a zone twice": _refused("duplicate-zone", 4, _in("whoami") + _in("whoami")),
    "a zone twice in capitals": _refused(
        "duplicate-zone", 4, _in("whoami", "a.example:1053") + _in("whoami", "A.Example.:1053")
    ),
    "a zone twice in one block": _refused("duplicate-zone", 1, _in("whoami", "a.example:1053 a.example:1053")),
    "a zone twice by its prefix": _refused(
        "duplicate-zone", 4, _in("whoami", "10.0.0.0/24:1053") + _in("whoami", "0.0.10.in-addr.arpa:1053")
    ),
    "a zone twice on one address": _refused(
        "duplicate-zone", 5, _in("bind 127.0.0.1\nwhoami") + _in("bind 127.0.0.1\nwhoami")
    ),
    "a zone bound and unbound": _refused("duplicate-zone", 5, _in("bind 127.0.0.1\nwhoami") + _in("whoami")),
    # Plugins that are not, and plugins twice
    "an unknown plugin": _refused("unknown-plugin", 2, _in("fowrard . 192.0.2.1")),
    "a plugin of long ago": _refused("unknown-plugin", 2, _in("proxy . 192.0.2.1")),
    "hosts twice": _refused("plugin-twice", 3, _in("hosts\nhosts")),
    "cache twice": _refused("plugin-twice", 3, _in("cache\ncache 30")),
    "errors twice": _refused("plugin-twice", 3, _in("errors\nerrors")),
    "loop twice": _refused("plugin-twice", 3, _in("loop\nloop")),
    "prometheus twice": _refused("plugin-twice", 3, _in("prometheus\nprometheus")),
    "ready twice": _refused("plugin-twice", 3, _in("ready\nready")),
    "kubernetes twice": _refused("plugin-twice", 6, _in(_KUBERNETES + "}\n" + _KUBERNETES + "}")),
    "a block on the line behind its plugin": _refused("bad-argument", 3, _in("forward . 192.0.2.1\n{\nmax_fails 1\n}")),
    # What plugins refuse
    "any with an argument": _refused("bad-argument", 2, _in("any x")),
    "bind of nothing": _refused("bad-argument", 2, _in("bind\nwhoami")),
    "bind of no address": _refused("bad-argument", 2, _in("bind 300.0.0.1\nwhoami")),
    "bind of a foreign address": _refused("foreign-bind", 2, _in("bind 192.0.2.9\nwhoami")),
    "bind with an option": _refused("unknown-option", 3, _in("bind 127.0.0.1 {\nonly x\n}\nwhoami")),
    "bufsize out of range": _refused("bad-argument", 2, _in("bufsize 100")),
    "cache of no time": _refused("bad-argument", 2, _in("cache 0")),
    "cache with a word for a size": _refused("bad-argument", 3, _in("cache {\nsuccess many\n}")),
    "cache with an unknown option": _refused("unknown-option", 3, _in("cache {\nsucess 9984\n}")),
    "cache of failures for too long": _refused("bad-argument", 3, _in("cache {\nservfail 10m\n}")),
    "cache with a wrong percentage": _refused("bad-argument", 3, _in("cache {\nprefetch 1 1m 5%\n}")),
    "cache that disables nothing": _refused("bad-argument", 3, _in("cache {\ndisable all\n}")),
    "cache with a policy for nothing": _refused(
        "bad-argument", 2, _in("cache {\nserve_stale_policy prefer_positive\n}")
    ),
    "errors into a file": _refused("bad-argument", 2, _in("errors /var/log/x")),
    "errors with an unknown option": _refused("unknown-option", 3, _in("errors {\nquiet\n}")),
    "errors consolidated by nothing": _refused("bad-argument", 3, _in("errors {\nconsolidate 5m\n}")),
    "forward to nothing": _refused("bad-argument", 2, _in("forward .")),
    "forward of nothing": _refused("bad-argument", 2, _in("forward")),
    "forward of no zone": _refused("bad-argument", 2, _in("forward a..b 192.0.2.1")),
    "forward to a name that is none": _refused("bad-upstream", 2, _in("forward . upstream.invalid")),
    "forward to a word": _refused("bad-upstream", 2, _in("forward . resolver")),
    "forward to a broken address": _refused("bad-upstream", 2, _in("forward . 192.0.2.300")),
    "forward to sixteen": _refused("bad-argument", 2, _in(f"forward . {_MANY}")),
    "forward with an unknown option": _refused("unknown-option", 3, _in("forward . 192.0.2.1 {\npolic random\n}")),
    "forward with an unknown policy": _refused("bad-argument", 3, _in("forward . 192.0.2.1 {\npolicy least_conn\n}")),
    "forward with a word for a number": _refused("bad-argument", 3, _in("forward . 192.0.2.1 {\nmax_fails many\n}")),
    "forward with less than none": _refused("bad-argument", 3, _in("forward . 192.0.2.1 {\nmax_concurrent -1\n}")),
    "forward that expires in no time": _refused("bad-argument", 3, _in("forward . 192.0.2.1 {\nexpire 10\n}")),
    "forward checked never": _refused("bad-argument", 3, _in("forward . 192.0.2.1 {\nhealth_check soon\n}")),
    "forward that is older than it lives": _refused("bad-argument", 3, _in("forward . 192.0.2.1 {\nmax_age 1s\n}")),
    "forward to a path": _refused("bad-argument", 2, _in("forward . https://192.0.2.1/dns-query")),
    "forward over gRPC": _refused("bad-argument", 2, _in("forward . grpc://192.0.2.1")),
    "forward on a success": _refused("bad-argument", 3, _in("forward . 192.0.2.1 {\nfailover NOERROR\n}")),
    "forward except nothing": _refused("bad-argument", 3, _in("forward . 192.0.2.1 {\nexcept\n}")),
    "forward with force_tcp and more": _refused("bad-argument", 3, _in("forward . 192.0.2.1 {\nforce_tcp yes\n}")),
    "forward for the node-cache": _refused("pillar", 2, _in("forward . __PILLAR__CLUSTER__DNS__")),
    "health without a port": _refused("bad-argument", 2, _in("health localhost")),
    "health that ducks for no time": _refused("bad-argument", 3, _in("health {\nlameduck 5\n}")),
    "hosts behind fallthrough": _refused(
        "hosts-after-fallthrough", 4, _in("hosts {\nfallthrough\n192.0.2.1 a.example\n}")
    ),
    "hosts for no time": _refused("bad-argument", 3, _in("hosts {\nttl 0\n}")),
    "hosts read again in no time": _refused("bad-argument", 3, _in("hosts {\nreload often\n}")),
    "kubernetes with wrong pods": _refused("bad-argument", 5, _in(_KUBERNETES + "pods yes\n}")),
    "kubernetes with an unknown option": _refused("unknown-option", 5, _in(_KUBERNETES + "pod insecure\n}")),
    "kubernetes with an option of long ago": _refused("unknown-option", 5, _in(_KUBERNETES + "upstream\n}")),
    "kubernetes with a long TTL": _refused("bad-argument", 5, _in(_KUBERNETES + "ttl 7200\n}")),
    "kubernetes of reverse zones": _refused("bad-argument", 2, _in("kubernetes in-addr.arpa ip6.arpa")),
    "kubernetes that selects twice": _refused(
        "contradiction", 2, _in(_KUBERNETES + "namespaces a\nnamespace_labels b=c\n}")
    ),
    "loadbalance by nothing": _refused("bad-argument", 2, _in("loadbalance fastest")),
    "local with a word": _refused("bad-argument", 2, _in("local x")),
    "log of no class": _refused("bad-argument", 3, _in("log {\nclass failures\n}")),
    "log with an unknown option": _refused("unknown-option", 3, _in("log {\nformat short\n}")),
    "loop with an argument": _refused("bad-argument", 2, _in("loop .")),
    "multisocket of none": _refused("bad-argument", 2, _in("multisocket 0")),
    "prometheus without a port": _refused("bad-argument", 2, _in("prometheus localhost")),
    "ready in two places": _refused("bad-argument", 2, _in("ready :8181 :8182")),
    "reload too often": _refused("bad-argument", 2, _in("reload 1s")),
    "reload in no time": _refused("bad-argument", 2, _in("reload often")),
    "reload with half a jitter": _refused("bad-argument", 2, _in("reload 10s 500ms")),
    "rewrite of no kind": _refused("bad-argument", 2, _in("rewrite names a.example b.example")),
    "rewrite of nothing in its block": _refused("bad-argument", 2, _in("rewrite continue {\n}")),
    "forward with a word behind an option": _refused(
        "unknown-option", 3, _in("forward . 192.0.2.1 {\npolicy random always\n}")
    ),
    "rewrite of half a class": _refused("bad-argument", 2, _in("rewrite class ANY")),
    "template of no class": _refused("bad-argument", 2, _in("template")),
    "template of a wrong class": _refused("bad-argument", 2, _in("template XX A")),
    "template with a wrong code": _refused("bad-argument", 3, _in("template IN A {\nrcode NOSUCH\n}")),
    "template with an unknown option": _refused("unknown-option", 3, _in("template IN A {\nanswers x\n}")),
    "timeouts of an hour too many": _refused("bad-argument", 3, _in("timeouts {\nread 25h\n}")),
    "view without a name": _refused("bad-argument", 2, _in("view {\nexpr true\n}\nwhoami")),
    "whoami with an argument": _refused("bad-argument", 2, _in("whoami x")),
}
"""Lint has an error, and the server does not start."""

LOOPS: dict[str, Case] = {
    "itself": _refused("loop", 3, _in("loop\nforward . 127.0.0.1:1053")),
    "itself by another address": _refused("loop", 3, _in("loop\nforward . 127.0.0.53:1053")),
    "its bound address": _refused("loop", 4, _in("loop\nbind 127.0.0.2\nforward . 127.0.0.2:1053")),
}
"""Lint has an error, and the server ends itself soon after its start."""

DAMAGED: dict[str, Case] = {
    "a closing brace too many": _swallowed("stray-brace", 4, _in("whoami") + "}\n"),
    "a brace glued to its key": _swallowed("stray-brace", 1, "a.example:1053{\nwhoami\n}\n"),
    "a brace for a server": _swallowed("stray-brace", 4, _in("whoami") + "} a.example:1054 {\nwhoami\n}\n"),
}
"""Lint has an error for what the server swallows, since nobody can have meant it."""

SWALLOWED: dict[str, Case] = {
    "a second forward": _swallowed("dead-forward", 3, _in("forward . 192.0.2.1\nforward a.example 192.0.2.2")),
    "the same forward": _swallowed("dead-forward", 3, _in("forward . 192.0.2.1\nforward . 192.0.2.2")),
    "forward of a prefix across zones": _swallowed("forward-prefix", 2, _in("forward 10.0.0.0/23 192.0.2.1")),
    "force_tcp with prefer_udp": _swallowed("contradiction", 4, _in("forward . 192.0.2.1 {\nforce_tcp\nprefer_udp\n}")),
    "a bad line in hosts": _swallowed("hosts-line", 3, _in("hosts {\n192.0.2.300 a.example\nfallthrough\n}")),
    "hosts of no name": _swallowed("hosts-line", 3, _in("hosts {\n192.0.2.1\nfallthrough\n}")),
    "hosts on its line": _swallowed("hosts-line", 2, _in("hosts 192.0.2.1 a.example")),
    "hosts without fallthrough": _swallowed(
        "hosts-no-fallthrough", 2, _in("hosts {\n192.0.2.1 a.example\n}\nforward . 192.0.2.1")
    ),
    "health twice": _swallowed("repeated-listener", 3, _in("health\nhealth")),
    "health in two blocks": _swallowed("repeated-listener", 5, _in("health") + _in("health", "a.example:1053")),
    "ready in two blocks": _swallowed("repeated-listener", 5, _in("ready") + _in("ready", "a.example:1053")),
    "reload twice": _swallowed("plugin-twice", 3, _in("reload 5s\nreload 10s")),
    "a word behind a plugin's brace": _swallowed("misplaced-brace", 4, _in("log {\nclass error\n} a.example")),
    "any twice": _swallowed("plugin-twice", 3, _in("any\nany x")),
    "an empty block": _swallowed("empty-block", 1, ".:1053 {\n}\n"),
    "a pattern without files": _swallowed("import-unmatched", 2, _in("import none/*.conf\nwhoami")),
    "bind here and not there": _swallowed(
        "mixed-bind", 5, _in("bind 127.0.0.1\nwhoami") + _in("whoami", "a.example:1053")
    ),
    "a port that is none": _swallowed("bad-port", 1, _in("whoami", "a.example:dns")),
    "a block's brace never closed": _swallowed("open-brace", 1, ".:1053 {\nforward . 192.0.2.1 {\n}\n"),
    "a block without a key": _swallowed("no-key", 4, _in("whoami") + "{\nwhoami\n}\n"),
    "a quote never closed": _swallowed("open-quote", 4, _in("whoami") + '"a.example:1053 {\nwhoami\n}\n'),
    "a snippet for nobody": _swallowed("snippet-unused", 1, "(a) {\nwhoami\n}\n" + _in("whoami")),
    "a variable that is not set": _swallowed("variable-unset", 2, _in("chaos {$KUBENODE_NO_SUCH}")),
}
"""Lint has a warning, and the server starts."""

VALID: dict[str, str] = {
    "any": _in("any"),
    "autopath": _in(_KUBERNETES + "pods verified\n}\nautopath @kubernetes"),
    "bind": _in("bind 127.0.0.1 ::1\nwhoami"),
    "bind interface": _in("bind lo {\nexcept 127.0.0.2\n}\nwhoami"),
    "bufsize": _in("bufsize 1232"),
    "cache": _in(
        "cache 30 example.org {\nsuccess 9984 3600 5\ndenial 9984 5\nprefetch 10 1m 10%\nserve_stale 1h verify\n"
        "servfail 5s\ndisable denial a.example\nkeepttl\n}"
    ),
    "chaos": _in('chaos CoreDNS "me@example.org"'),
    "debug": _in("debug"),
    "dns64": _in("dns64 64:ff9b::/96"),
    "errors": _in('errors {\nstacktrace\nconsolidate 5m ".* i/o timeout$" warning\n}'),
    "forward": _in(
        "forward . 192.0.2.1 192.0.2.2:5353 tls://192.0.2.3 [2001:db8::1]:53 {\n"
        "except a.example b.example\n"
        "force_tcp\n"
        "expire 10s\nmax_fails 3\ntls_servername dns.example\npolicy sequential\n"
        "health_check 5s no_rec domain a.example\n"
        "max_concurrent 1000\nnext NXDOMAIN\nfailfast_all_unhealthy_upstreams\nfailover SERVFAIL REFUSED\n}"
    ),
    "forward with options on one line": _in("forward . 192.0.2.1 {\nmax_fails 3 force_tcp\n}"),
    "forward twice": _in("forward a.example 192.0.2.1\nforward . 192.0.2.2"),
    "forward with an exception": _in("forward . 192.0.2.2 {\nexcept a.example\n}\nforward a.example 192.0.2.1"),
    "forward to another block": _in("forward . 127.0.0.1:1054") + _in("whoami", ".:1054"),
    "forward to a file": _in("forward . /etc/resolv.conf"),
    "health": _in("health :8080 {\nlameduck 1s\n}"),
    "header": _in("header {\nresponse set ra\n}\nwhoami"),
    "hosts": _in(
        "hosts {\n192.0.2.1 a.example b.example\n2001:db8::1 a.example\nttl 60\nno_reverse\nreload 0\nfallthrough\n}\n"
        "forward . 192.0.2.1"
    ),
    "kubernetes": _in(
        _KUBERNETES + "pods insecure\nfallthrough in-addr.arpa\nttl 30\nnoendpoints\nignore empty_service\n}"
    ),
    "loadbalance": _in("loadbalance round_robin"),
    "local": _in("local"),
    "log": _in('log a.example "{remote} {name}" {\nclass denial error\n}'),
    "loop": _in("loop"),
    "metadata": _in("metadata"),
    "minimal": _in("minimal"),
    "multisocket": _in("multisocket 2\nwhoami"),
    "nsid": _in("nsid here"),
    "pprof": _in("pprof 127.0.0.1:6053"),
    "prometheus": _in("prometheus :9153"),
    "ready": _in("ready :8181"),
    "reload": _in("reload 10s 5s"),
    "rewrite": _in(
        "rewrite name a.example b.example\nrewrite stop type ANY HINFO\n"
        "rewrite continue {\nname regex (.*)\\.x\\.example {1}.y.example answer auto\n}"
    ),
    "root": _in("root /"),
    "template": _in(
        "template IN A example.org {\n"
        'match "^ip-(?P<a>[0-9]*)[.]example[.]org[.]$"\nanswer "{{ .Name }} 60 IN A 192.0.2.1"\n'
        "rcode NXDOMAIN\nederror 21 no\nfallthrough\n}"
    ),
    "timeouts": _in("timeouts {\nread 5s\nwrite 10s\nidle 1h\n}"),
    "view": _in("view internal {\nexpr incidr(client_ip(), '10.0.0.0/8')\n}\nwhoami") + _in("whoami"),
    "whoami": _in("whoami"),
    "several keys": _in("whoami", "a.example:1053, b.example:1053,\ndns://c.example:1053 10.0.0.0/23:1053"),
    "the brace on its own line": "a.example:1053\n{\nwhoami\n}\n",
    "no braces": ".:1053\nwhoami\nlog",
    "a plugin behind the brace": ".:1053 { whoami\n}\n",
    "options on one line": _in("errors { stacktrace }"),
    "snippets": "(a) {\nwhoami\n}\n(b) {\nimport a\nlog\n}\n" + _in("import b"),
    "a quote over two lines": _in('chaos "two\nlines" b'),
    "line ends of Windows": _in("whoami\nlog").replace("\n", "\r\n"),
    "a byte order mark": "\ufeff" + _in("whoami"),
    "comments": "# a\n" + _in("whoami # b\n# c\nlog#d"),
    "two addresses": _in("bind 127.0.0.1\nwhoami") + _in("bind 127.0.0.2\nwhoami"),
}
"""Lint says nothing, and the server starts."""

VALID_ELSEWHERE: dict[str, str] = {
    "acl": _in("acl a.example {\nallow type A net 192.0.2.0/24\nblock type ANY net *\nfilter\n}\nwhoami"),
    "cancel": _in("cancel 1s\nwhoami"),
    "dnstap": _in("dnstap tcp://127.0.0.1:6000 full {\nidentity here\n}\nwhoami"),
    "erratic": _in("erratic {\ndrop 3\ntruncate\ndelay 3 50ms\n}"),
    "etcd": _in("etcd a.example {\npath /skydns\nendpoint http://127.0.0.1:1\n}"),
    "file that is not there": _in("file none.db a.example"),
    "grpc": _in("grpc . 192.0.2.1:9005 {\npolicy random\n}"),
    "grpc_server": _in("grpc_server {\nmax_streams 10\n}\nwhoami"),
    "https": _in("https {\nmax_connections 10\n}\nwhoami"),
    "https3": _in("https3 {\nmax_streams 10\n}\nwhoami"),
    "k8s_external": _in(_KUBERNETES + "}\nk8s_external a.example {\nttl 5\n}"),
    "nomad": _in("nomad service.nomad {\naddress http://127.0.0.1:1\nttl 10\n}"),
    "on": _in("on startup true\nwhoami"),
    "proxyproto": _in("proxyproto {\nallow 192.0.2.0/24\n}\nwhoami"),
    "quic": _in("quic {\nmax_streams 16\n}\nwhoami"),
    "secondary": _in("secondary a.example {\ntransfer from 127.0.0.1:1\n}"),
    "shed": _in("shed\nwhoami"),
    "siit": _in("siit\nwhoami"),
    "trace": _in("trace zipkin 127.0.0.1:9411 {\nevery 2\n}\nwhoami"),
    "transfer": _in("transfer a.example {\nto * 192.0.2.1\n}"),
    "tsig": _in("tsig {\nsecret a.example. NoTCJU+DMqFWywaPyxSijrDEA/eC3nK0xi3AMEZuPVk=\nrequire all\n}\nwhoami"),
}
"""The same, of plugins whose arguments lint leaves to the server."""
