// Copyright (c) 2026, kubenode.network contributors
// GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// A CoreDNS with node-cache's plugin set, which takes node-cache's flags and makes its Corefile as node-cache does: pillars
// replaced, stub domains of the ConfigMap kube-dns appended. It sets up no interface and no rules: it is not node-cache.
// Where /etc/cache.rules has the rules for one address, it stands in for node-cache's set-up as well (setup.go), and says so.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/bufsize"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/debug"
	_ "github.com/coredns/coredns/plugin/dns64"
	_ "github.com/coredns/coredns/plugin/dnstap"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/forward"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/hosts"
	_ "github.com/coredns/coredns/plugin/loadbalance"
	_ "github.com/coredns/coredns/plugin/log"
	_ "github.com/coredns/coredns/plugin/loop"
	_ "github.com/coredns/coredns/plugin/metadata"
	_ "github.com/coredns/coredns/plugin/metrics"
	_ "github.com/coredns/coredns/plugin/pprof"
	_ "github.com/coredns/coredns/plugin/reload"
	_ "github.com/coredns/coredns/plugin/rewrite"
	_ "github.com/coredns/coredns/plugin/template"
	_ "github.com/coredns/coredns/plugin/timeouts"
	_ "github.com/coredns/coredns/plugin/trace"
	_ "github.com/coredns/coredns/plugin/whoami"
)

var (
	localIPs = flag.String("localip", "", "addresses to bind, with commas between them")
	base     = flag.String("basecorefile", "/etc/coredns/Corefile.base", "what the Corefile is made from")
	kubeDNS  = flag.String("kubednscm", "/etc/kube-dns", "where the ConfigMap kube-dns is mounted")
	upstream = flag.String("upstreamsvc", "kube-dns", "the Service whose address names of the cluster are asked of")
)

func main() {
	// Taken and not used.
	for _, name := range []string{"health-port", "metrics-listen-address"} {
		flag.String(name, "", "as node-cache has it")
	}
	flag.Parse()
	var first net.IP
	for _, text := range strings.Split(*localIPs, ",") {
		address := net.ParseIP(text)
		if first == nil {
			first = address
		}
		if address == nil || (address.To4() == nil) != (first.To4() == nil) {
			fail("invalid localip specified - %q", text)
		}
	}
	target := flag.Lookup("conf").Value.String()
	if err := write(target); err != nil {
		fail("%v", err)
	}
	if err := setUp(strings.Split(*localIPs, ",")); err != nil {
		fail("%v", err)
	}
	go func() {
		for range time.Tick(time.Second) {
			_ = write(target)
		}
	}()
	coremain.Run()
}

func fail(format string, words ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", words...)
	os.Exit(1)
}

func write(target string) error {
	text, err := os.ReadFile(*base)
	if err != nil {
		return err
	}
	bound := strings.ReplaceAll(*localIPs, ",", " ")
	servers := []string{}
	read("upstreamNameservers", &servers)
	if len(servers) == 0 {
		servers = []string{"/etc/resolv.conf"}
	}
	variable := strings.ToUpper(strings.ReplaceAll(*upstream, "-", "_")) + "_SERVICE_HOST"
	made := strings.NewReplacer(
		"__PILLAR__UPSTREAM__SERVERS__", strings.Join(servers, " "), "__PILLAR__CLUSTER__DNS__", os.Getenv(variable),
		"__PILLAR__LOCAL__DNS__", bound, "__PILLAR__DNS__SERVER__", "",
	).Replace(string(text))
	stubs := map[string][]string{}
	read("stubDomains", &stubs)
	for zone, targets := range stubs {
		made += fmt.Sprintf("\n%s:53 {\n errors\n cache 30\n bind %s\n forward . %s\n}\n", zone, bound, strings.Join(targets, " "))
	}
	if old, err := os.ReadFile(target); err == nil && string(old) == made {
		return nil
	}
	return os.WriteFile(target, []byte(made), 0o644)
}

func read(key string, into any) {
	if text, err := os.ReadFile(filepath.Join(*kubeDNS, key)); err == nil {
		_ = json.Unmarshal(text, into)
	}
}
