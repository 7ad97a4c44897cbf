// The program that holds a pod's namespaces open.
module github.com/countersign-dev/countersign/test/cluster/build/pause

go 1.26.0
