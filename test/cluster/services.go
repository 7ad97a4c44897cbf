// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	giteaAdmin = "cluster-admin"
	s3Region   = "us-east-1"
)

// registry is the OCI registry, with its images on disk and deletion allowed.
func (c *cluster) registry() daemon {
	config := c.config("registry.yaml")
	return daemon{
		name:    "registry",
		version: "v3.1.2",
		address: "http://" + registryAddress,
		command: []string{c.binary("registry", "registry"), "serve", config},
		env:     []string{"OTEL_TRACES_EXPORTER=none"},
		files:   map[string]string{config: registryConfig(c.data("registry"))},
		healthy: get(http.DefaultClient, "http://"+registryAddress+"/v2/"),
	}
}

func registryConfig(folder string) string {
	return fmt.Sprintf(`version: 0.1
log:
  level: warn
  accesslog:
    disabled: true
storage:
  filesystem:
    rootdirectory: %s
  delete:
    enabled: true
http:
  addr: %s
`, folder, registryAddress)
}

// s3 is an S3 server over a folder.
func (c *cluster) s3() (daemon, error) {
	access, err := c.secretValue("s3-access-key", 10)
	if err != nil {
		return daemon{}, err
	}
	key, err := c.secretValue("s3-secret-key", 20)
	if err != nil {
		return daemon{}, err
	}
	credentials := fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", access, key)
	folder := c.data("s3")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return daemon{}, err
	}
	return daemon{
		name:    "s3",
		version: "v1.8.0",
		address: "http://" + s3Address,
		command: []string{
			c.binary("versitygw", "versitygw"),
			"--port", s3Address,
			"--region", s3Region,
			"--health", "/health",
			"--quiet",
			"posix", folder,
		},
		env:     []string{"ROOT_ACCESS_KEY=" + access, "ROOT_SECRET_KEY=" + key},
		files:   map[string]string{c.secret("s3-credentials"): credentials},
		healthy: get(http.DefaultClient, "http://"+s3Address+"/health"),
	}, nil
}

// gitea is a forge.
func (c *cluster) gitea() (daemon, error) {
	settings := map[string]string{}
	for _, name := range []string{"gitea-secret-key", "gitea-internal-token"} {
		value, err := c.secretValue(name, 32)
		if err != nil {
			return daemon{}, err
		}
		settings[name] = value
	}
	return daemon{
		name:    "gitea",
		version: "v1.26.0",
		address: "http://" + giteaAddress,
		command: c.giteaCommand("web"),
		env:     c.giteaEnv(),
		files: map[string]string{
			c.config("gitea.ini"): c.giteaConfig(settings["gitea-secret-key"], settings["gitea-internal-token"]),
		},
		healthy: get(http.DefaultClient, "http://"+giteaAddress+"/api/healthz"),
	}, nil
}

func (c *cluster) giteaCommand(args ...string) []string {
	return append([]string{
		c.binary("gitea", "gitea"),
		"--config", c.config("gitea.ini"),
		"--work-path", c.data("gitea"),
	}, args...)
}

// giteaEnv gives Gitea a home of its own: it changes git's global settings.
func (c *cluster) giteaEnv() []string {
	return []string{"HOME=" + c.data("gitea"), "USER=root"}
}

func (c *cluster) giteaConfig(secretKey, internalToken string) string {
	host, port, _ := strings.Cut(giteaAddress, ":")
	return fmt.Sprintf(`APP_NAME = Countersign test forge
RUN_USER = root
RUN_MODE = prod
I_AM_BEING_UNSAFE_RUNNING_AS_ROOT = true

[server]
PROTOCOL = http
HTTP_ADDR = %[1]s
HTTP_PORT = %[2]s
ROOT_URL = http://%[1]s:%[2]s/
STATIC_ROOT_PATH = %[3]s
DISABLE_SSH = true
OFFLINE_MODE = true
LFS_START_SERVER = false

[database]
DB_TYPE = sqlite3
PATH = %[4]s/gitea.db
SQLITE_JOURNAL_MODE = WAL

[repository]
ROOT = %[4]s/repositories
DEFAULT_BRANCH = main
ENABLE_PUSH_CREATE_USER = true
ENABLE_PUSH_CREATE_ORG = true

[security]
INSTALL_LOCK = true
SECRET_KEY = %[5]s
INTERNAL_TOKEN = %[6]s

[service]
DISABLE_REGISTRATION = true

[webhook]
ALLOWED_HOST_LIST = private,loopback
DELIVER_TIMEOUT = 5

[migrations]
ALLOW_LOCALNETWORKS = true

[attachment]
ALLOWED_TYPES = */*

[mailer]
ENABLED = false

[oauth2]
ENABLED = false

[actions]
ENABLED = false

[packages]
ENABLED = false

[indexer]
ISSUE_INDEXER_TYPE = db

[cron.update_checker]
ENABLED = false

[log]
LEVEL = Warn
`, host, port, filepath.Join(c.mustComponentDir("gitea"), "files"), c.data("gitea"), secretKey, internalToken)
}

// ensureGitea starts Gitea and makes its administrator and a token for the API,
// once.
func (c *cluster) ensureGitea(ctx context.Context) error {
	d, err := c.gitea()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.data("gitea"), 0o700); err != nil {
		return err
	}
	if err := c.ensure(ctx, d); err != nil {
		return err
	}
	if c.giteaTokenWorks(ctx) == nil {
		return nil
	}
	password, err := c.secretValue("gitea-password", 16)
	if err != nil {
		return err
	}
	_, err = c.giteaAdmin(ctx, "user", "create", "--admin", "--username", giteaAdmin, "--password", password,
		"--email", giteaAdmin+"@example.com", "--must-change-password=false")
	if err != nil && !strings.Contains(err.Error(), "already exists") {
		return err
	}
	name := "launcher-" + strconv.FormatInt(time.Now().UnixNano(), 36)
	token, err := c.giteaAdmin(ctx, "user", "generate-access-token", "--username", giteaAdmin,
		"--token-name", name, "--scopes", "all", "--raw")
	if err != nil {
		return err
	}
	// Log lines may come before it, even with --raw.
	if err := writeFile(c.secret("gitea-token"), tail(token, 1)+"\n", 0o600); err != nil {
		return err
	}
	return c.giteaTokenWorks(ctx)
}

func (c *cluster) giteaAdmin(ctx context.Context, args ...string) (string, error) {
	command := append([]string{"env"}, c.giteaEnv()...)
	command = append(command, c.giteaCommand(append([]string{"admin"}, args...)...)...)
	return run(ctx, command...)
}

func (c *cluster) giteaTokenWorks(ctx context.Context) error {
	token, err := os.ReadFile(c.secret("gitea-token"))
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+giteaAddress+"/api/v1/user", nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "token "+strings.TrimSpace(string(token)))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("gitea answers %s to the administrator's token", response.Status)
	}
	return nil
}

// secretValue reads a random value, made the first time it is asked for.
func (c *cluster) secretValue(name string, bytes int) (string, error) {
	path := c.secret(name)
	content, err := os.ReadFile(path)
	if err == nil {
		return strings.TrimSpace(string(content)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	random := make([]byte, bytes)
	if _, err := rand.Read(random); err != nil {
		return "", err
	}
	value := hex.EncodeToString(random)
	return value, writeFile(path, value+"\n", 0o600)
}
