// Copyright (c) 2026, kubenode.network contributors
// GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	authentication "k8s.io/api/authentication/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const data = "..data"

// mounts tells whether the pod has a ConfigMap as one of its volumes.
func (p *pod) mounts(changed *core.ConfigMap) bool {
	if p.object.Namespace != changed.Namespace {
		return false
	}
	for _, volume := range p.object.Spec.Volumes {
		if volume.ConfigMap != nil && volume.ConfigMap.Name == changed.Name {
			return true
		}
	}
	return false
}

// mountVolumes writes the volumes' files below the pod's root where its container mounts them.
func (p *pod) mountVolumes(ctx context.Context) error {
	return p.eachMount(func(volume core.Volume, mount core.VolumeMount, folder string) error {
		if host := volume.HostPath; host != nil && host.Type != nil && *host.Type == core.HostPathFileOrCreate {
			if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
				return err
			}
			return os.WriteFile(folder, nil, 0o600)
		}
		files, err := p.filesOf(ctx, volume)
		if err != nil {
			return err
		}
		if mount.SubPath != "" {
			if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
				return err
			}
			return os.WriteFile(folder, []byte(files[mount.SubPath]), 0o644)
		}
		return publish(folder, files)
	})
}

// syncConfigMaps brings the present texts to the container, except where it mounts them by subPath: that is for good.
func (p *pod) syncConfigMaps(ctx context.Context) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.stopping || p.folder == "" {
		return
	}
	err := p.eachMount(func(volume core.Volume, mount core.VolumeMount, folder string) error {
		if volume.ConfigMap == nil || mount.SubPath != "" {
			return nil
		}
		files, err := p.filesOf(ctx, volume)
		if err != nil {
			return err
		}
		return publish(folder, files)
	})
	if err != nil {
		fmt.Fprintf(os.Stderr, "pod %s/%s: volumes: %v\n", p.object.Namespace, p.object.Name, err)
	}
}

func (p *pod) eachMount(do func(core.Volume, core.VolumeMount, string) error) error {
	volumes := map[string]core.Volume{}
	for _, volume := range p.object.Spec.Volumes {
		volumes[volume.Name] = volume
	}
	for _, mount := range p.object.Spec.Containers[0].VolumeMounts {
		if err := do(volumes[mount.Name], mount, filepath.Join(p.folder, "root", mount.MountPath)); err != nil {
			return err
		}
	}
	return nil
}

func (p *pod) filesOf(ctx context.Context, volume core.Volume) (map[string]string, error) {
	if source := volume.ConfigMap; source != nil {
		return p.configMap(ctx, source.Name, source.Items, source.Optional)
	}
	files := map[string]string{}
	if volume.Projected == nil {
		return files, nil
	}
	for _, source := range volume.Projected.Sources {
		switch {
		case source.ConfigMap != nil:
			found, err := p.configMap(ctx, source.ConfigMap.Name, source.ConfigMap.Items, source.ConfigMap.Optional)
			if err != nil {
				return nil, err
			}
			for name, text := range found {
				files[name] = text
			}
		case source.ServiceAccountToken != nil:
			token, err := p.token(ctx, source.ServiceAccountToken)
			if err != nil {
				return nil, err
			}
			files[source.ServiceAccountToken.Path] = token
		case source.DownwardAPI != nil:
			for _, item := range source.DownwardAPI.Items {
				if item.FieldRef != nil && item.FieldRef.FieldPath == "metadata.namespace" {
					files[item.Path] = p.object.Namespace
				}
			}
		}
	}
	return files, nil
}

func (p *pod) configMap(ctx context.Context, name string, items []core.KeyToPath, optional *bool) (map[string]string, error) {
	found, err := p.manager.client.CoreV1().ConfigMaps(p.object.Namespace).Get(ctx, name, meta.GetOptions{})
	if errors.IsNotFound(err) && optional != nil && *optional {
		return map[string]string{}, nil
	}
	if err != nil || len(items) == 0 {
		return found.Data, err
	}
	files := map[string]string{}
	for _, item := range items {
		if text, has := found.Data[item.Key]; has {
			files[item.Path] = text
		}
	}
	return files, nil
}

func (p *pod) token(ctx context.Context, wanted *core.ServiceAccountTokenProjection) (string, error) {
	request := &authentication.TokenRequest{Spec: authentication.TokenRequestSpec{
		ExpirationSeconds: wanted.ExpirationSeconds,
		BoundObjectRef:    &authentication.BoundObjectReference{Kind: "Pod", APIVersion: "v1", Name: p.object.Name, UID: p.object.UID},
	}}
	made, err := p.manager.client.CoreV1().ServiceAccounts(p.object.Namespace).CreateToken(
		ctx, p.object.Spec.ServiceAccountName, request, meta.CreateOptions{})
	if err != nil {
		return "", err
	}
	return made.Status.Token, nil
}

// publish replaces all files of a volume in one step, as a kubelet does: a link to the folder of the present ones.
func publish(folder string, files map[string]string) error {
	now := fmt.Sprintf("..%d", time.Now().UnixNano())
	if err := os.MkdirAll(filepath.Join(folder, now), 0o755); err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, now, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	old, _ := os.Readlink(filepath.Join(folder, data))
	if err := os.Symlink(now, filepath.Join(folder, data+".new")); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(folder, data+".new"), filepath.Join(folder, data)); err != nil {
		return err
	}
	for name := range files {
		if err := os.Symlink(filepath.Join(data, name), filepath.Join(folder, name)); err != nil && !os.IsExist(err) {
			return err
		}
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if _, wanted := files[entry.Name()]; !wanted && !strings.HasPrefix(entry.Name(), "..") {
			_ = os.Remove(filepath.Join(folder, entry.Name()))
		}
	}
	if old != "" {
		return os.RemoveAll(filepath.Join(folder, old))
	}
	return nil
}
