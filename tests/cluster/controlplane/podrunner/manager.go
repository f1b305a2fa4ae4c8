// Copyright (c) 2026, kubenode.network contributors
// GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// delayAnnotation gives a pod a delay of its own, as 75s.
const delayAnnotation = "podrunner/configmap-delay"

// manager starts, keeps and ends the pods that are bound to the node.
type manager struct {
	client  kubernetes.Interface
	options options
	network *network
	mutex   sync.Mutex
	pods    map[types.UID]*pod
	ending  sync.WaitGroup
}

func newManager(client kubernetes.Interface, o options, network *network) *manager {
	return &manager{client: client, options: o, network: network, pods: map[types.UID]*pod{}}
}

// run follows pods and ConfigMaps until the context ends.
func (m *manager) run(ctx context.Context) {
	bound := informers.NewSharedInformerFactoryWithOptions(m.client, 0, informers.WithTweakListOptions(func(o *meta.ListOptions) {
		o.FieldSelector = fields.OneTermEqualSelector("spec.nodeName", m.options.node).String()
	}))
	_, _ = bound.Core().V1().Pods().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { m.seen(ctx, object.(*core.Pod)) },
		UpdateFunc: func(_, object any) { m.seen(ctx, object.(*core.Pod)) },
		DeleteFunc: func(object any) {
			if gone, ok := object.(*core.Pod); ok {
				m.end(gone.UID, 0)
			}
		},
	})
	all := informers.NewSharedInformerFactory(m.client, 0)
	_, _ = all.Core().V1().ConfigMaps().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { m.configMapChanged(ctx, object.(*core.ConfigMap)) },
		UpdateFunc: func(_, object any) { m.configMapChanged(ctx, object.(*core.ConfigMap)) },
		// Of an optional one that is deleted a kubelet takes the files away.
		DeleteFunc: func(object any) {
			if gone, ok := object.(*core.ConfigMap); ok {
				m.configMapChanged(ctx, gone)
			}
		},
	})
	bound.Start(ctx.Done())
	all.Start(ctx.Done())
	<-ctx.Done()
}

func (m *manager) seen(ctx context.Context, object *core.Pod) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	known := m.pods[object.UID]
	if object.DeletionTimestamp != nil {
		switch {
		case known == nil:
			go m.forget(object)
		case known.ending:
			// Its status changes while it ends; it is gone when its container is, and not before.
		default:
			known.ending = true
			grace := time.Duration(0)
			if object.DeletionGracePeriodSeconds != nil {
				grace = time.Duration(*object.DeletionGracePeriodSeconds) * time.Second
			}
			m.ending.Add(1)
			go func() { defer m.ending.Done(); m.end(object.UID, grace); m.forget(object) }()
		}
		return
	}
	if object.Status.Phase == core.PodSucceeded || object.Status.Phase == core.PodFailed {
		return
	}
	if known == nil {
		known = newPod(m, object)
		m.pods[object.UID] = known
		go known.run(ctx)
		return
	}
	// A kubelet syncs a pod's volumes whenever the pod itself changes: touching an annotation hastens it.
	if known.annotations(object) {
		go known.syncConfigMaps(ctx)
	}
}

// configMapChanged brings a ConfigMap to the pods that mount it, once the delay has passed.
func (m *manager) configMapChanged(ctx context.Context, changed *core.ConfigMap) {
	m.mutex.Lock()
	var concerned []*pod
	for _, one := range m.pods {
		if one.mounts(changed) {
			concerned = append(concerned, one)
		}
	}
	m.mutex.Unlock()
	for _, one := range concerned {
		delay := m.options.configMapDelay
		if own, err := time.ParseDuration(one.object.Annotations[delayAnnotation]); err == nil {
			delay = own
		}
		time.AfterFunc(delay, func() { one.syncConfigMaps(ctx) })
	}
}

// end stops a pod's containers; after the grace period they are killed.
func (m *manager) end(uid types.UID, grace time.Duration) {
	m.mutex.Lock()
	known := m.pods[uid]
	m.mutex.Unlock()
	if known == nil {
		return
	}
	known.stop(grace)
	m.mutex.Lock()
	delete(m.pods, uid)
	m.mutex.Unlock()
}

// forget lets the API server take away a pod that has ended.
func (m *manager) forget(object *core.Pod) {
	now, uid := int64(0), object.UID
	_ = m.client.CoreV1().Pods(object.Namespace).Delete(context.Background(), object.Name, meta.DeleteOptions{
		GracePeriodSeconds: &now, Preconditions: &meta.Preconditions{UID: &uid},
	})
}

func (m *manager) stopAll() {
	m.mutex.Lock()
	var uids []types.UID
	for uid := range m.pods {
		uids = append(uids, uid)
	}
	m.mutex.Unlock()
	for _, uid := range uids {
		m.end(uid, 0)
	}
	m.ending.Wait()
}

// byName finds a running pod for the kubelet's server.
func (m *manager) byName(namespace, name string) (*pod, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	for _, one := range m.pods {
		if one.object.Namespace == namespace && one.object.Name == name {
			return one, nil
		}
	}
	return nil, fmt.Errorf("no pod %s/%s on this node", namespace, name)
}

func (m *manager) folderOf(object *core.Pod) (string, error) {
	folder := filepath.Join(m.options.folder, string(object.UID))
	return folder, os.MkdirAll(filepath.Join(folder, "root"), 0o755)
}
