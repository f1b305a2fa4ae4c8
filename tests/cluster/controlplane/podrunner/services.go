// Copyright (c) 2026, kubenode.network contributors
// GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	core "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// serveServices makes ClusterIPs answer on this node: DNAT to one of the Service's ready endpoints, as kube-proxy does.
func serveServices(ctx context.Context, client kubernetes.Interface) error {
	factory := informers.NewSharedInformerFactory(client, 0)
	services := factory.Core().V1().Services()
	slices := factory.Discovery().V1().EndpointSlices()
	wake := make(chan struct{}, 1)
	changed := func(any) {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc: changed, UpdateFunc: func(_, now any) { changed(now) }, DeleteFunc: changed,
	}
	for _, informer := range []cache.SharedIndexInformer{services.Informer(), slices.Informer()} {
		if _, err := informer.AddEventHandler(handler); err != nil {
			return err
		}
	}
	factory.Start(ctx.Done())
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-wake:
			}
			all, _ := services.Lister().List(labels.Everything())
			ends, _ := slices.Lister().List(labels.Everything())
			if said, err := load(ruleset(all, ends)); err != nil {
				fmt.Fprintf(os.Stderr, "services: %v: %s\n", err, said)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}()
	return nil
}

func load(text string) ([]byte, error) {
	command := exec.Command("nft", "-f", "-")
	command.Stdin = strings.NewReader(text)
	return command.CombinedOutput()
}

// ruleset has the form that kube-proxy's rules have in its nftables mode: a chain for each Service and each endpoint.
func ruleset(services []*core.Service, slices []*discovery.EndpointSlice) string {
	var chains, rules strings.Builder
	for _, service := range services {
		for _, port := range service.Spec.Ports {
			var targets []string
			for _, slice := range slices {
				if slice.Namespace == service.Namespace && slice.Labels[discovery.LabelServiceName] == service.Name {
					targets = append(targets, endpoints(slice, port)...)
				}
			}
			if service.Spec.ClusterIP == "" || service.Spec.ClusterIP == core.ClusterIPNone || len(targets) == 0 {
				continue
			}
			protocol := strings.ToLower(string(port.Protocol))
			name := fmt.Sprintf("%s-%s-%s-%d", service.Namespace, service.Name, protocol, port.Port)
			var choices []string
			for number, target := range targets {
				fmt.Fprintf(&chains, "  chain endpoint-%s-%d {\n    meta l4proto %s dnat to %s\n  }\n", name, number, protocol, target)
				choices = append(choices, fmt.Sprintf("%d : goto endpoint-%s-%d", number, name, number))
			}
			fmt.Fprintf(&chains, "  chain service-%s {\n    numgen random mod %d vmap { %s }\n  }\n", name, len(targets), strings.Join(choices, ", "))
			fmt.Fprintf(&rules, "    ip daddr %s %s dport %d goto service-%s\n", service.Spec.ClusterIP, protocol, port.Port, name)
		}
	}
	hooked := func(name, hook string) string {
		return fmt.Sprintf("  chain %s {\n    type nat hook %s priority -100;\n    jump services\n  }\n", name, hook)
	}
	// The chains stay, with their hooks: only rules are replaced in one step, so that no packet goes by without any.
	// The table's name tells others of the node who leads Services on.
	return "table ip kube-proxy\nflush table ip kube-proxy\ntable ip kube-proxy {\n" + chains.String() +
		"  chain services {\n" + rules.String() + "  }\n" +
		hooked("nat-prerouting", "prerouting") + hooked("nat-output", "output") + "}\n"
}

func endpoints(slice *discovery.EndpointSlice, wanted core.ServicePort) []string {
	var found []string
	for _, port := range slice.Ports {
		if port.Name == nil || *port.Name != wanted.Name || *port.Protocol != wanted.Protocol || port.Port == nil {
			continue
		}
		for _, end := range slice.Endpoints {
			if end.Conditions.Ready == nil || *end.Conditions.Ready {
				found = append(found, fmt.Sprintf("%s:%d", end.Addresses[0], *port.Port))
			}
		}
	}
	return found
}
