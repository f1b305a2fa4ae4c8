// Copyright (c) 2026, kubenode.network contributors
// GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// podrunner stands for the kubelet and kube-proxy of one node in the tests: it registers a Node, runs the pods bound to
// it (whatever image they name, the program is the CoreDNS it was given) each in a network namespace of its own, keeps
// mounted ConfigMaps up to date after a delay as a kubelet does, restarts what crashes with a growing back-off, and
// serves the logs and port forwards that the API server proxies to a kubelet. Services become DNAT rules of nftables.
// A node-cache finds the programs of the machine in its root, as it has them in its image.
//
// It expects to be root of a private user, mount and network namespace.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// options are the flags.
type options struct {
	kubeconfig     string
	node           string
	address        string
	podNetwork     string
	serviceNetwork string
	coredns        string
	nodeCache      string
	cacheRules     string
	clusterDNS     string
	labels         string
	folder         string
	configMapDelay time.Duration
	backOff        time.Duration
	apiHost        string
	apiPort        string
	certificate    string
	key            string
	clientCA       string
}

func main() {
	var o options
	flag.StringVar(&o.kubeconfig, "kubeconfig", "", "how to reach the API server")
	flag.StringVar(&o.node, "node", "node-1", "name of the Node")
	flag.StringVar(&o.address, "address", "", "address of the node, on which its kubelet listens")
	flag.StringVar(&o.podNetwork, "pod-network", "10.244.1.0/24", "addresses of the pods; the first is the node's bridge")
	flag.StringVar(&o.serviceNetwork, "service-network", "10.96.0.0/16", "addresses of the Services")
	flag.StringVar(&o.coredns, "coredns", "", "the program that containers run")
	flag.StringVar(&o.nodeCache, "node-cache", "", "the program of containers whose image is a node-cache")
	flag.StringVar(&o.cacheRules, "cache-rules", "", "what a stand-in for node-cache lays for each of its addresses, for iptables-restore")
	flag.StringVar(&o.clusterDNS, "cluster-dns", "", "name server of pods whose dnsPolicy is ClusterFirst; they have none without")
	flag.StringVar(&o.labels, "labels", "", "more labels of the Node, as name=value, with commas between them")
	flag.StringVar(&o.folder, "folder", "", "where pods have their files and logs")
	flag.DurationVar(&o.configMapDelay, "configmap-delay", 0, "after which a changed ConfigMap reaches the pods that mount it")
	flag.DurationVar(&o.backOff, "back-off", time.Second, "before the first restart; doubles with each up to sixteen times")
	flag.StringVar(&o.apiHost, "api-host", "", "address of the API server for pods")
	flag.StringVar(&o.apiPort, "api-port", "", "port of the API server for pods")
	flag.StringVar(&o.certificate, "tls-cert-file", "", "certificate of the kubelet")
	flag.StringVar(&o.key, "tls-private-key-file", "", "its key")
	flag.StringVar(&o.clientCA, "client-ca-file", "", "authority of those who may ask the kubelet")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "podrunner:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	config, err := clientcmd.BuildConfigFromFlags("", o.kubeconfig)
	if err != nil {
		return err
	}
	config.QPS, config.Burst = 200, 400
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	network, err := newNetwork(o.podNetwork, o.serviceNetwork)
	if err != nil {
		return err
	}
	manager := newManager(client, o, network)
	defer manager.stopAll()
	port, err := manager.serveKubelet(ctx)
	if err != nil {
		return err
	}
	if err := register(ctx, client, o, port); err != nil {
		return err
	}
	if err := serveServices(ctx, client); err != nil {
		return err
	}
	manager.run(ctx)
	return nil
}
