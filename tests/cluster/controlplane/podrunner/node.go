// Copyright (c) 2026, kubenode.network contributors
// GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"strings"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// register makes the Node, Ready, with the port where its kubelet answers.
func register(ctx context.Context, client kubernetes.Interface, o options, port int) error {
	labels := map[string]string{
		"kubernetes.io/hostname": o.node, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
	}
	for _, one := range strings.Split(o.labels, ",") {
		if name, value, found := strings.Cut(one, "="); found {
			labels[name] = value
		}
	}
	node := &core.Node{
		ObjectMeta: meta.ObjectMeta{Name: o.node, Labels: labels},
		Spec:       core.NodeSpec{PodCIDR: o.podNetwork, PodCIDRs: []string{o.podNetwork}},
	}
	made, err := client.CoreV1().Nodes().Create(ctx, node, meta.CreateOptions{})
	if errors.IsAlreadyExists(err) {
		made, err = client.CoreV1().Nodes().Get(ctx, o.node, meta.GetOptions{})
	}
	if err != nil {
		return err
	}
	room := core.ResourceList{
		core.ResourceCPU: resource.MustParse("8"), core.ResourceMemory: resource.MustParse("16Gi"),
		core.ResourcePods: resource.MustParse("110"),
	}
	now := meta.Now()
	made.Status = core.NodeStatus{
		Capacity: room, Allocatable: room,
		Addresses: []core.NodeAddress{
			{Type: core.NodeInternalIP, Address: o.address}, {Type: core.NodeHostName, Address: o.node},
		},
		Conditions: []core.NodeCondition{{
			Type: core.NodeReady, Status: core.ConditionTrue, Reason: "PodRunner", LastHeartbeatTime: now, LastTransitionTime: now,
		}},
		DaemonEndpoints: core.NodeDaemonEndpoints{KubeletEndpoint: core.DaemonEndpoint{Port: int32(port)}},
		NodeInfo:        core.NodeSystemInfo{KubeletVersion: "podrunner", OperatingSystem: "linux", Architecture: "amd64"},
	}
	if made, err = client.CoreV1().Nodes().UpdateStatus(ctx, made, meta.UpdateOptions{}); err != nil {
		return err
	}
	// A new node is tainted as not ready until the controller of nodes, which the tests leave out, has seen it.
	made.Spec.Taints = nil
	_, err = client.CoreV1().Nodes().Update(ctx, made, meta.UpdateOptions{})
	return err
}
