// Copyright (c) 2026, kubenode.network contributors
// GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/coredns/caddy"
)

const (
	rulesFile = "/etc/cache.rules"
	// In which one address's rules are written there.
	placeholder = "ADDRESS"
)

// kinds of the interface: node-cache's own, and those that it takes as well, for kernels without that one.
var kinds = []string{"dummy", "ifb", "bridge"}

var (
	interfaceName = flag.String("interfacename", "nodelocaldns", "the interface that holds the addresses")
	setInterface  = flag.Bool("setupinterface", true, "make the interface")
	setIptables   = flag.Bool("setupiptables", true, "lay the rules")
	skipTeardown  = flag.Bool("skipteardown", false, "leave both at the end")
)

// setUp does in node-cache's place what it was seen to do: the interface before anything listens, the rules once the pid
// file is there, and on SIGTERM the interface away and then one rule after the other. A kill leaves both.
func setUp(addresses []string) error {
	template, err := os.ReadFile(rulesFile)
	if err != nil {
		return nil
	}
	fmt.Printf("a stand-in: CoreDNS with node-cache's plugins, and %s with the rules of a node-cache for %s\n",
		*interfaceName, strings.Join(addresses, ", "))
	if *setInterface {
		if err := lay(addresses); err != nil {
			return err
		}
	}
	rules := ""
	for _, address := range addresses {
		rules += strings.ReplaceAll(string(template), placeholder, address)
	}
	if *setIptables {
		go func() {
			for file := flag.Lookup("pidfile").Value.String(); file != ""; time.Sleep(20 * time.Millisecond) {
				if _, err := os.Stat(file); err == nil {
					break
				}
			}
			// Those that an earlier one left are not laid twice.
			takeAway(rules)
			if said := restore(rules); said != "" {
				fmt.Println(said)
			}
		}()
	}
	if !*skipTeardown {
		caddy.OnProcessExit = append(caddy.OnProcessExit, func() {
			if *setInterface {
				_ = exec.Command("ip", "link", "delete", *interfaceName).Run()
			}
			if *setIptables {
				takeAway(rules)
			}
		})
	}
	return nil
}

func lay(addresses []string) error {
	said := []byte{}
	if exec.Command("ip", "link", "show", *interfaceName).Run() != nil {
		for _, kind := range kinds {
			var err error
			if said, err = exec.Command("ip", "link", "add", *interfaceName, "type", kind).CombinedOutput(); err == nil {
				break
			}
		}
	}
	for _, address := range addresses {
		prefix := "/32"
		if strings.Contains(address, ":") {
			prefix = "/128"
		}
		if more, err := exec.Command("ip", "address", "replace", address+prefix, "dev", *interfaceName).CombinedOutput(); err != nil {
			return fmt.Errorf("%s does not get %s: %w: %s%s", *interfaceName, address, err, said, more)
		}
	}
	return nil
}

// takeAway removes one rule after the other, as some may be gone.
func takeAway(rules string) {
	table := ""
	for _, line := range strings.Split(rules, "\n") {
		if strings.HasPrefix(line, "*") {
			table = line
		} else if rule, found := strings.CutPrefix(line, "-A "); found {
			restore(table + "\n-D " + rule + "\nCOMMIT\n")
		}
	}
}

// restore returns what iptables-restore says against the rules.
func restore(rules string) string {
	command := exec.Command("iptables-nft-restore", "--noflush")
	command.Stdin = strings.NewReader(rules)
	if said, err := command.CombinedOutput(); err != nil {
		return fmt.Sprintf("iptables-nft-restore: %v: %s", err, said)
	}
	return ""
}
