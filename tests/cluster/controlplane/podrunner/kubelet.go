// Copyright (c) 2026, kubenode.network contributors
// GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"k8s.io/cri-streaming/pkg/streaming/portforward"
)

// serveKubelet answers what the API server proxies to a kubelet: logs and port forwards. It returns the port.
func (m *manager) serveKubelet(ctx context.Context) (int, error) {
	authority, err := os.ReadFile(m.options.clientCA)
	if err != nil {
		return 0, err
	}
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM(authority)
	listener, err := net.Listen("tcp", net.JoinHostPort(m.options.address, "0"))
	if err != nil {
		return 0, err
	}
	routes := http.NewServeMux()
	routes.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", m.containerLogs)
	routes.HandleFunc("/portForward/{namespace}/{pod}", m.portForward)
	server := &http.Server{
		Handler: routes, ErrorLog: log.New(os.Stderr, "kubelet: ", 0),
		// Upgrades to SPDY need HTTP/1.1.
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
		TLSConfig:    &tls.Config{ClientCAs: clients, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12},
	}
	go func() { _ = server.ServeTLS(listener, m.options.certificate, m.options.key) }()
	go func() { <-ctx.Done(); _ = server.Close() }()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// containerLogs serves a container's log with the parameters that clients of it use.
func (m *manager) containerLogs(w http.ResponseWriter, r *http.Request) {
	found, err := m.byName(r.PathValue("namespace"), r.PathValue("pod"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	query := r.URL.Query()
	start := found.restarts
	if query.Get("previous") == "true" {
		start--
	}
	file, err := os.Open(found.logPath(start))
	if err != nil {
		http.Error(w, fmt.Sprintf("there is no log of start %d", start), http.StatusBadRequest)
		return
	}
	defer file.Close()
	since := time.Time{}
	if text := query.Get("sinceTime"); text != "" {
		since, _ = time.Parse(time.RFC3339Nano, text)
	} else if seconds, err := strconv.Atoi(query.Get("sinceSeconds")); err == nil {
		since = time.Now().Add(-time.Duration(seconds) * time.Second)
	}
	var lines []string
	reader := bufio.NewReader(file)
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			break
		}
		if stamp, _, _ := strings.Cut(line, " "); !since.IsZero() {
			if at, err := time.Parse(time.RFC3339Nano, stamp); err == nil && at.Before(since) {
				continue
			}
		}
		lines = append(lines, line)
	}
	if tail, err := strconv.Atoi(query.Get("tailLines")); err == nil && tail < len(lines) {
		lines = lines[len(lines)-tail:]
	}
	stamps := query.Get("timestamps") == "true"
	for _, line := range lines {
		writeLine(w, line, stamps)
	}
	if query.Get("follow") != "true" {
		return
	}
	for r.Context().Err() == nil {
		line, err := reader.ReadString('\n')
		if err != nil {
			if flusher, ok := w.(http.Flusher); ok {
				flusher.Flush()
			}
			time.Sleep(50 * time.Millisecond)
			continue
		}
		writeLine(w, line, stamps)
	}
}

func writeLine(w io.Writer, line string, stamps bool) {
	if !stamps {
		_, line, _ = strings.Cut(line, " ")
	}
	_, _ = io.WriteString(w, line)
}

func (m *manager) portForward(w http.ResponseWriter, r *http.Request) {
	found, err := m.byName(r.PathValue("namespace"), r.PathValue("pod"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	options, err := portforward.NewV4Options(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	portforward.ServePortForward(w, r, forwarder{found}, found.object.Name, string(found.object.UID), options,
		time.Hour, 30*time.Second, portforward.SupportedProtocols)
}

// forwarder connects to a port of the pod at its address; a runtime does it on the loopback of its network namespace.
type forwarder struct{ pod *pod }

func (f forwarder) PortForward(ctx context.Context, _, _ string, port int32, stream io.ReadWriteCloser) error {
	defer stream.Close()
	var dialer net.Dialer
	connection, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(f.pod.address(), strconv.Itoa(int(port))))
	if err != nil {
		return err
	}
	defer connection.Close()
	done := make(chan struct{}, 2)
	pump := func(to io.Writer, from io.Reader) {
		_, _ = io.Copy(to, from)
		if half, ok := to.(*net.TCPConn); ok {
			_ = half.CloseWrite()
		}
		done <- struct{}{}
	}
	go pump(connection, stream)
	go pump(stream, connection)
	<-done
	return nil
}
