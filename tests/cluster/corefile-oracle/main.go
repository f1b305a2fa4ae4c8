// Copyright (c) 2026, kubenode.network contributors
// GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// The parser that CoreDNS reads its Corefile with, asked by tests and benchmarks.
//
//	corefile-oracle FOLDER          reads a JSON list of inputs a line, and answers each line with a list of readings;
//	                                FOLDER is where the files of an input are put
//	corefile-oracle -time FILE N    parses a file N times
package main

import (
	"bufio"
	"bytes"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"reflect"
	"strconv"

	"github.com/coredns/caddy/caddyfile"
)

type input struct {
	Corefile   []byte
	Directives []string          // the plugins that the server knows; nil: all
	Files      map[string][]byte // by path below the folder
	Env        map[string]string
}

type token struct {
	Line int
	Text string
}

type reading struct {
	Tokens []token
	Blocks []caddyfile.ServerBlock
	Hash   string // as plugin/reload makes it
	Error  string
}

func read(folder string, in input) reading {
	var out reading
	main := filepath.Join(folder, "Corefile")
	words := caddyfile.NewDispenser(main, bytes.NewReader(in.Corefile))
	for words.Next() {
		out.Tokens = append(out.Tokens, token{words.Line(), words.Val()})
	}
	lay(folder, in.Files)
	for name, value := range in.Env {
		must(os.Setenv(name, value))
		defer os.Unsetenv(name)
	}
	blocks, err := caddyfile.Parse(main, bytes.NewReader(in.Corefile), in.Directives)
	if err != nil {
		out.Error = err.Error()
		return out
	}
	out.Blocks = blocks
	written, err := json.Marshal(blocks)
	must(err)
	sum := sha512.Sum512(written)
	out.Hash = hex.EncodeToString(sum[:])
	return out
}

var laid map[string][]byte

// lay makes the folder hold these files and nothing else.
func lay(folder string, files map[string][]byte) {
	if reflect.DeepEqual(files, laid) {
		return
	}
	entries, err := os.ReadDir(folder)
	must(err)
	for _, entry := range entries {
		must(os.RemoveAll(filepath.Join(folder, entry.Name())))
	}
	for name, text := range files {
		path := filepath.Join(folder, name)
		must(os.MkdirAll(filepath.Dir(path), 0o700))
		must(os.WriteFile(path, text, 0o600))
	}
	laid = files
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	log.SetOutput(io.Discard) // patterns without a match are logged
	if len(os.Args) == 4 && os.Args[1] == "-time" {
		text, err := os.ReadFile(os.Args[2])
		must(err)
		rounds, err := strconv.Atoi(os.Args[3])
		must(err)
		for range rounds {
			_, err := caddyfile.Parse("Corefile", bytes.NewReader(text), nil)
			must(err)
		}
		return
	}
	lines := bufio.NewReader(os.Stdin)
	answers := bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(answers)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return
		}
		must(err)
		var batch []input
		must(json.Unmarshal(line, &batch))
		readings := make([]reading, len(batch))
		for i, in := range batch {
			readings[i] = read(os.Args[1], in)
		}
		must(encoder.Encode(readings))
		must(answers.Flush())
	}
}
