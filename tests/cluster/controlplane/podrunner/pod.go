// Copyright (c) 2026, kubenode.network contributors
// GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"time"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
)

const mostBackOffs = 16

// pod runs the one container that a pod of the tests has.
type pod struct {
	manager  *manager
	object   *core.Pod
	folder   string
	mutex    sync.Mutex
	sandbox  *sandbox
	command  *exec.Cmd
	exited   chan struct{}
	logged   chan struct{}
	stopping bool
	ending   bool
	mounted  []string
	restarts int32
	seen     map[string]string
}

func newPod(m *manager, object *core.Pod) *pod {
	return &pod{manager: m, object: object.DeepCopy(), seen: object.Annotations}
}

// annotations tells whether they changed since the pod was last seen.
func (p *pod) annotations(now *core.Pod) bool {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	changed := !reflect.DeepEqual(p.seen, now.Annotations)
	p.seen = now.Annotations
	return changed
}

func (p *pod) address() string {
	if p.object.Spec.HostNetwork {
		return p.manager.options.address
	}
	return p.sandbox.address
}

// run brings the pod up and keeps its container running until it is stopped.
func (p *pod) run(ctx context.Context) {
	if err := p.prepare(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "pod %s/%s: %v\n", p.object.Namespace, p.object.Name, err)
		return
	}
	backOff := p.manager.options.backOff
	for ctx.Err() == nil {
		started, err := p.start()
		if err != nil {
			fmt.Fprintf(os.Stderr, "pod %s/%s: %v\n", p.object.Namespace, p.object.Name, err)
			return
		}
		go p.watchReadiness(ctx, started)
		<-p.exited
		code := p.command.ProcessState.ExitCode()
		p.mutex.Lock()
		stopping := p.stopping
		p.mutex.Unlock()
		if stopping {
			return
		}
		ended := core.ContainerState{Terminated: &core.ContainerStateTerminated{
			ExitCode: int32(code), Reason: map[bool]string{true: "Completed", false: "Error"}[code == 0],
			StartedAt: meta.NewTime(started), FinishedAt: meta.Now(), ContainerID: p.containerID(), Message: p.lastWords(code),
		}}
		policy := p.object.Spec.RestartPolicy
		if policy == core.RestartPolicyNever || (policy == core.RestartPolicyOnFailure && code == 0) {
			phase := core.PodSucceeded
			if code != 0 {
				phase = core.PodFailed
			}
			_ = p.report(ctx, phase, ended, core.ContainerState{}, false)
			return
		}
		waiting := core.ContainerState{Waiting: &core.ContainerStateWaiting{
			Reason: "CrashLoopBackOff", Message: fmt.Sprintf("back-off %s restarting failed container", backOff),
		}}
		_ = p.report(ctx, core.PodRunning, waiting, ended, false)
		select {
		case <-time.After(backOff):
		case <-ctx.Done():
		}
		if backOff < mostBackOffs*p.manager.options.backOff {
			backOff *= 2
		}
		p.restarts++
	}
}

func (p *pod) prepare(ctx context.Context) (err error) {
	if p.folder, err = p.manager.folderOf(p.object); err != nil {
		return err
	}
	root := filepath.Join(p.folder, "root")
	for _, name := range []string{"etc", "tmp", "dev"} {
		if err := os.MkdirAll(filepath.Join(root, name), 0o755); err != nil {
			return err
		}
	}
	resolvConf := ""
	if server := p.manager.options.clusterDNS; server != "" && p.object.Spec.DNSPolicy == core.DNSClusterFirst && !p.object.Spec.HostNetwork {
		text := fmt.Sprintf("search %s.svc.cluster.local svc.cluster.local cluster.local\nnameserver %s\noptions ndots:5\n", p.object.Namespace, server)
		resolvConf = filepath.Join(root, "etc/resolv.conf")
		if err := os.WriteFile(resolvConf, []byte(text), 0o644); err != nil {
			return err
		}
	}
	if !p.object.Spec.HostNetwork {
		if p.sandbox, err = p.manager.network.newSandbox(resolvConf); err != nil {
			return err
		}
		// For those who look into the pod's network.
		pid := fmt.Sprintln(p.sandbox.holder.Process.Pid)
		if err := os.WriteFile(p.pidPath(), []byte(pid), 0o644); err != nil {
			return err
		}
	}
	program := filepath.Join(root, "coredns")
	if err := os.WriteFile(program, nil, 0o755); err != nil {
		return err
	}
	source := p.manager.options.coredns
	if p.isNodeCache() {
		source = p.manager.options.nodeCache
		if err := p.mountMachine(root); err != nil {
			return err
		}
	}
	if err := p.bind(source, program); err != nil {
		return fmt.Errorf("the program cannot be mounted: %w", err)
	}
	if p.object.Spec.DNSPolicy == core.DNSDefault {
		text, _ := os.ReadFile("/etc/resolv.conf")
		if err := os.WriteFile(filepath.Join(root, "etc/resolv.conf"), text, 0o644); err != nil {
			return err
		}
	}
	// A mandatory ConfigMap that is not there yet is waited for, as a kubelet does.
	for told := ""; ; {
		if err = p.mountVolumes(ctx); err == nil {
			return nil
		}
		if err.Error() != told {
			told = err.Error()
			fmt.Fprintf(os.Stderr, "pod %s/%s waits: %s\n", p.object.Namespace, p.object.Name, told)
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			return err
		}
		p.mutex.Lock()
		stopping := p.stopping
		p.mutex.Unlock()
		if stopping {
			return err
		}
	}
}

func (p *pod) pidPath() string {
	return filepath.Join(p.manager.options.folder, p.object.Name+".pid")
}

func (p *pod) isNodeCache() bool {
	return p.manager.options.nodeCache != "" && strings.Contains(p.object.Spec.Containers[0].Image, "node-cache")
}

func (p *pod) bind(source, target string) error {
	if err := syscall.Mount(source, target, "", syscall.MS_BIND, ""); err != nil {
		return err
	}
	p.mounted = append(p.mounted, target)
	return nil
}

// mountMachine brings iptables and ip into a root, and the rules of a stand-in.
func (p *pod) mountMachine(root string) error {
	for _, name := range []string{"usr", "bin", "sbin", "lib", "lib64", "etc/alternatives"} {
		from, to := filepath.Join("/", name), filepath.Join(root, name)
		if link, err := os.Readlink(from); err == nil {
			if err := os.Symlink(link, to); err != nil && !os.IsExist(err) {
				return err
			}
		} else if held, err := os.Stat(from); err == nil && held.IsDir() {
			if err := os.MkdirAll(to, 0o755); err != nil {
				return err
			}
			if err := p.bind(from, to); err != nil {
				return fmt.Errorf("%s cannot be mounted: %w", from, err)
			}
		}
	}
	null := filepath.Join(root, "dev/null")
	if err := os.WriteFile(null, nil, 0o666); err != nil {
		return err
	}
	if err := p.bind("/dev/null", null); err != nil {
		return fmt.Errorf("/dev/null cannot be mounted: %w", err)
	}
	if p.manager.options.cacheRules == "" {
		return nil
	}
	text, err := os.ReadFile(p.manager.options.cacheRules)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(root, "etc/cache.rules"), text, 0o644)
}

func (p *pod) containerID() string {
	return fmt.Sprintf("podrunner://%s-%d", p.object.UID, p.restarts)
}

// start runs the container; its output goes, a time before each line, into a log of its own per start.
func (p *pod) start() (time.Time, error) {
	container := p.object.Spec.Containers[0]
	// The container's PATH is not where chroot(1) is.
	chroot, err := exec.LookPath("chroot")
	if err != nil {
		return time.Time{}, err
	}
	root := filepath.Join(p.folder, "root")
	// A container that starts anew finds nothing of the one before, a pid file above all.
	if err := errors.Join(os.RemoveAll(filepath.Join(root, "tmp")), os.Mkdir(filepath.Join(root, "tmp"), 0o755)); err != nil {
		return time.Time{}, err
	}
	words := append([]string{chroot, root, "/coredns"}, container.Args...)
	if !p.object.Spec.HostNetwork {
		words = append([]string{"nsenter", "--net", fmt.Sprintf("--target=%d", p.sandbox.holder.Process.Pid), "--"}, words...)
	}
	command := exec.Command(words[0], words[1:]...)
	path := "/"
	if p.isNodeCache() {
		path = "/usr/sbin:/usr/bin:/sbin:/bin"
	}
	command.Env = []string{
		"PATH=" + path, "KUBERNETES_SERVICE_HOST=" + p.manager.options.apiHost, "KUBERNETES_SERVICE_PORT=" + p.manager.options.apiPort,
	}
	command.Env = append(command.Env, p.serviceLinks()...)
	for _, one := range container.Env {
		command.Env = append(command.Env, one.Name+"="+one.Value)
	}
	// CoreDNS answers SIGTERM after its lameduck time; nothing may outlive the runner.
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	reader, writer, err := os.Pipe()
	if err != nil {
		return time.Time{}, err
	}
	command.Stdout, command.Stderr = writer, writer
	log, err := os.OpenFile(p.logPath(p.restarts), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return time.Time{}, err
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.stopping {
		return time.Time{}, fmt.Errorf("it is being deleted")
	}
	if err := command.Start(); err != nil {
		return time.Time{}, err
	}
	_ = writer.Close()
	exited, logged := make(chan struct{}), make(chan struct{})
	go func() { keepLog(reader, log); close(logged) }()
	p.command, p.exited, p.logged = command, exited, logged
	go func() { _ = command.Wait(); close(exited) }()
	return time.Now(), nil
}

// serviceLinks are the addresses of the namespace's Services as they are when the container starts.
func (p *pod) serviceLinks() []string {
	if links := p.object.Spec.EnableServiceLinks; links != nil && !*links {
		return nil
	}
	var found []string
	services, err := p.manager.client.CoreV1().Services(p.object.Namespace).List(context.Background(), meta.ListOptions{})
	if err != nil {
		return nil
	}
	for _, one := range services.Items {
		if one.Spec.ClusterIP != "" && one.Spec.ClusterIP != core.ClusterIPNone {
			name := strings.ToUpper(strings.ReplaceAll(one.Name, "-", "_"))
			found = append(found, name+"_SERVICE_HOST="+one.Spec.ClusterIP)
		}
	}
	return found
}

func keepLog(reader io.ReadCloser, log io.WriteCloser) {
	defer reader.Close()
	defer log.Close()
	lines := bufio.NewScanner(reader)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		_, _ = fmt.Fprintf(log, "%s %s\n", time.Now().UTC().Format(time.RFC3339Nano), lines.Text())
	}
}

// lastWords is what a kubelet takes for the termination message of a container that asks for its log on errors.
func (p *pod) lastWords(code int) string {
	<-p.logged
	if code == 0 || p.object.Spec.Containers[0].TerminationMessagePolicy != core.TerminationMessageFallbackToLogsOnError {
		return ""
	}
	text, _ := os.ReadFile(p.logPath(p.restarts))
	var words []string
	for _, line := range strings.Split(string(text), "\n") {
		_, said, _ := strings.Cut(line, " ")
		words = append(words, said)
	}
	joined := strings.Join(words, "\n")
	return joined[max(0, len(joined)-2048):]
}

func (p *pod) logPath(start int32) string {
	return filepath.Join(p.folder, fmt.Sprintf("%d.log", start))
}

// watchReadiness tells the API server when the container answers its readiness probe, and when it no longer does.
func (p *pod) watchReadiness(ctx context.Context, started time.Time) {
	exited := p.exited
	running := core.ContainerState{Running: &core.ContainerStateRunning{StartedAt: meta.NewTime(started)}}
	probe := p.object.Spec.Containers[0].ReadinessProbe
	was := probe == nil
	_ = p.report(ctx, core.PodRunning, running, core.ContainerState{}, was)
	if probe == nil || probe.HTTPGet == nil {
		return
	}
	client := &http.Client{Timeout: time.Second}
	host := probe.HTTPGet.Host
	if host == "" {
		host = p.address()
	}
	url := fmt.Sprintf("http://%s:%s%s", host, probe.HTTPGet.Port.String(), probe.HTTPGet.Path)
	for {
		select {
		case <-exited:
			return
		case <-ctx.Done():
			return
		case <-time.After(200 * time.Millisecond):
		}
		answer, err := client.Get(url)
		ready := err == nil && answer.StatusCode < 400
		if err == nil {
			_ = answer.Body.Close()
		}
		// What the API server did not take is told once more.
		if ready != was && p.report(ctx, core.PodRunning, running, core.ContainerState{}, ready) == nil {
			was = ready
		}
	}
}

// report writes the pod's status; last is how the container ended before, where that is new.
func (p *pod) report(ctx context.Context, phase core.PodPhase, state, last core.ContainerState, ready bool) error {
	pods := p.manager.client.CoreV1().Pods(p.object.Namespace)
	truth := map[bool]core.ConditionStatus{true: core.ConditionTrue, false: core.ConditionFalse}[ready]
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		now, err := pods.Get(ctx, p.object.Name, meta.GetOptions{})
		if err != nil || now.UID != p.object.UID {
			return err
		}
		container := p.object.Spec.Containers[0]
		if last == (core.ContainerState{}) && len(now.Status.ContainerStatuses) > 0 {
			last = now.Status.ContainerStatuses[0].LastTerminationState
		}
		now.Status.Phase, now.Status.PodIP, now.Status.HostIP = phase, p.address(), p.manager.options.address
		now.Status.PodIPs = []core.PodIP{{IP: p.address()}}
		now.Status.HostIPs = []core.HostIP{{IP: p.manager.options.address}}
		if now.Status.StartTime == nil {
			start := meta.Now()
			now.Status.StartTime = &start
		}
		now.Status.ContainerStatuses = []core.ContainerStatus{{
			Name: container.Name, Image: container.Image, ImageID: "podrunner", ContainerID: p.containerID(),
			Ready: ready, Started: &ready, RestartCount: p.restarts, State: state, LastTerminationState: last,
		}}
		now.Status.Conditions = nil
		for _, kind := range []core.PodConditionType{core.PodInitialized, core.PodScheduled} {
			now.Status.Conditions = append(now.Status.Conditions, core.PodCondition{Type: kind, Status: core.ConditionTrue})
		}
		for _, kind := range []core.PodConditionType{core.ContainersReady, core.PodReady} {
			now.Status.Conditions = append(now.Status.Conditions, core.PodCondition{
				Type: kind, Status: truth, LastTransitionTime: meta.Now(),
			})
		}
		_, err = pods.UpdateStatus(ctx, now, meta.UpdateOptions{})
		return err
	})
}

// stop ends the container, kills it when the grace period is over, and takes the network namespace away.
func (p *pod) stop(grace time.Duration) {
	p.mutex.Lock()
	if p.stopping {
		p.mutex.Unlock()
		return
	}
	p.stopping = true
	command, exited := p.command, p.exited
	p.mutex.Unlock()
	if command != nil {
		_ = command.Process.Signal(syscall.SIGTERM)
		select {
		case <-exited:
		case <-time.After(grace):
			_ = command.Process.Kill()
			<-exited
		}
	}
	for _, one := range p.mounted {
		_ = syscall.Unmount(one, syscall.MNT_DETACH)
	}
	if p.sandbox != nil {
		_ = os.Remove(p.pidPath())
		p.sandbox.close()
	}
}
