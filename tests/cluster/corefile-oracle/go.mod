module kubenode.example/corefile-oracle

go 1.25.0

require github.com/coredns/caddy v1.1.4
