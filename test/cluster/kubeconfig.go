// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/base64"
	"fmt"
	"os"
)

// kubeconfigUsers are the identities that speak to the API server.
var kubeconfigUsers = []string{"admin", "controller-manager", "scheduler", "proxy", "kubelet", "dns"}

// writeKubeconfigs writes one file per user, with the certificates inside so
// that the file can be copied.
func (c *cluster) writeKubeconfigs() error {
	authority, err := os.ReadFile(c.pki("ca.crt"))
	if err != nil {
		return err
	}
	for _, user := range kubeconfigUsers {
		certificate, err := os.ReadFile(c.pki(user + ".crt"))
		if err != nil {
			return err
		}
		key, err := os.ReadFile(c.pki(user + ".key"))
		if err != nil {
			return err
		}
		content := kubeconfigFor(user, authority, certificate, key)
		if err := writeFile(c.kubeconfig(user), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func kubeconfigFor(user string, authority, certificate, key []byte) string {
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
- name: countersign
  cluster:
    server: https://%s
    certificate-authority-data: %s
users:
- name: %s
  user:
    client-certificate-data: %s
    client-key-data: %s
contexts:
- name: countersign
  context:
    cluster: countersign
    user: %s
current-context: countersign
`, apiAddress, encode(authority), user, encode(certificate), encode(key), user)
}
