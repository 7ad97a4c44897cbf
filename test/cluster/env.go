// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"strings"
)

// variable is one line of `env`.
type variable struct{ name, value string }

// variables are what other programs need to use the cluster.
func (c *cluster) variables() []variable {
	return []variable{
		{"KUBECONFIG", c.kubeconfig("admin")},
		{"KO_DOCKER_REPO", registryAddress + "/countersign"},
		{"KO_DEFAULTBASEIMAGE", staticImage},
		{"COUNTERSIGN_REGISTRY", registryAddress},
		{"COUNTERSIGN_BASE_STATIC", staticImage},
		{"COUNTERSIGN_BASE_BUSYBOX", busyboxImage},
		{"GITEA_URL", "http://" + giteaAddress},
		{"GITEA_ADMIN_USER", giteaAdmin},
		{"GITEA_ADMIN_PASSWORD_FILE", c.secret("gitea-password")},
		{"GITEA_ADMIN_TOKEN_FILE", c.secret("gitea-token")},
		{"S3_ENDPOINT", "http://" + s3Address},
		{"S3_REGION", s3Region},
		{"S3_CREDENTIALS_FILE", c.secret("s3-credentials")},
		{"S3_ACCESS_KEY_FILE", c.secret("s3-access-key")},
		{"S3_SECRET_KEY_FILE", c.secret("s3-secret-key")},
	}
}

// env prints the variables for a shell to evaluate.
func (c *cluster) env() string {
	var out strings.Builder
	for _, v := range c.variables() {
		fmt.Fprintf(&out, "export %s=%s\n", v.name, quote(v.value))
	}
	fmt.Fprintf(&out, "export PATH=%s:\"$PATH\"\n", quote(c.bin()))
	return out.String()
}

// externalEnv repeats what a caller with a cluster of their own has set.
func externalEnv() string {
	var out strings.Builder
	for _, name := range []string{"KUBECONFIG", "KO_DOCKER_REPO", "KO_DEFAULTBASEIMAGE"} {
		if value := os.Getenv(name); value != "" {
			fmt.Fprintf(&out, "export %s=%s\n", name, quote(value))
		}
	}
	return out.String()
}

// quote makes one word of the shell out of any text.
func quote(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
