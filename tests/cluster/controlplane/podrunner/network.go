// Copyright (c) 2026, kubenode.network contributors
// GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// network hands out the pods' addresses; all pods hang on one bridge, whose address is their gateway.
type network struct {
	mutex sync.Mutex
	next  net.IP
	bits  int
	name  string
}

// newNetwork makes the bridge, and routes the Services' addresses to it: their DNAT comes only after a route was found.
func newNetwork(cidr, services string) (*network, error) {
	address, all, err := net.ParseCIDR(cidr)
	if err != nil {
		return nil, err
	}
	bits, _ := all.Mask.Size()
	n := &network{next: address.To4(), bits: bits, name: "pods0"}
	gateway := n.take()
	return n, ip("link add %s type bridge", n.name).
		then("addr add %s/%d dev %s", gateway, bits, n.name).then("link set %s up", n.name).
		then("route add %s dev %s", services, n.name).err
}

func (n *network) take() net.IP {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	following := make(net.IP, len(n.next))
	copy(following, n.next)
	following[len(following)-1]++
	n.next = following
	return following
}

// sandbox is a network namespace, held by a process that sleeps.
type sandbox struct {
	holder  *exec.Cmd
	address string
}

// newSandbox makes one whose holder has a file, where that is named, as its resolv.conf.
func (n *network) newSandbox(resolvConf string) (*sandbox, error) {
	holder := exec.Command("unshare", "--net", "--", "sleep", "infinity")
	if resolvConf != "" {
		script := `mount --bind "$0" /etc/resolv.conf && exec sleep infinity`
		holder = exec.Command("unshare", "--net", "--mount", "--", "sh", "-c", script, resolvConf)
	}
	holder.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := holder.Start(); err != nil {
		return nil, err
	}
	address := n.take()
	last := address[len(address)-1]
	gateway := make(net.IP, len(address))
	copy(gateway, address.Mask(net.CIDRMask(n.bits, 32)))
	gateway[len(gateway)-1]++
	pid := holder.Process.Pid
	if err := waitForNamespace(pid); err != nil {
		_ = holder.Process.Kill()
		return nil, err
	}
	inside := fmt.Sprintf("nsenter --net --target %d ", pid)
	done := ip("link add veth%d type veth peer name eth0 netns %d", last, pid).
		then("link set veth%d master %s up", last, n.name)
	for _, line := range []string{
		"ip link set lo up", fmt.Sprintf("ip addr add %s/%d dev eth0", address, n.bits), "ip link set eth0 up",
		fmt.Sprintf("ip route add default via %s", gateway),
	} {
		done = done.run(inside + line)
	}
	if done.err != nil {
		_ = holder.Process.Kill()
	}
	return &sandbox{holder: holder, address: address.String()}, done.err
}

func (s *sandbox) close() {
	_ = s.holder.Process.Kill()
	_ = s.holder.Wait()
}

// chain runs commands until the first that fails.
type chain struct{ err error }

func ip(format string, values ...any) *chain { return (&chain{}).then(format, values...) }

func (c *chain) then(format string, values ...any) *chain {
	return c.run("ip " + fmt.Sprintf(format, values...))
}

func (c *chain) run(line string) *chain {
	if c.err != nil {
		return c
	}
	words := strings.Fields(line)
	if said, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
		c.err = fmt.Errorf("%s: %w: %s", line, err, strings.TrimSpace(string(said)))
	}
	return c
}

// waitForNamespace waits until unshare(1) has made the namespace, and is the program that it holds.
func waitForNamespace(pid int) error {
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return err
	}
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if other, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid)); err == nil && other != own {
			return nil
		}
	}
	return fmt.Errorf("no network namespace was made")
}
