// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"time"
)

// identity is who a certificate speaks for: a user and group to the API
// server, or the names that a server answers to.
type identity struct {
	name  string // file name
	user  string
	group string
	hosts []string
}

// identities lists every certificate of the cluster.
var identities = []identity{
	{name: "apiserver", user: "kube-apiserver", hosts: []string{
		"kubernetes", "kubernetes.default", "kubernetes.default.svc",
		"kubernetes.default.svc." + clusterDomain,
		"localhost", "127.0.0.1", kubernetesIP, nodeIP,
	}},
	{name: "kubelet-server", user: nodeName, hosts: []string{nodeName, "127.0.0.1", nodeIP}},
	{name: "admin", user: "admin", group: "system:masters"},
	{name: "controller-manager", user: "system:kube-controller-manager"},
	{name: "scheduler", user: "system:kube-scheduler"},
	{name: "proxy", user: "system:kube-proxy"},
	{name: "kubelet", user: "system:node:" + nodeName, group: "system:nodes"},
	{name: "dns", user: "system:dns", group: "system:masters"},
}

// validity is long because a test cluster is thrown away before it ends.
const validity = 10 * 365 * 24 * time.Hour

// ensurePKI makes the certificate authority and whatever certificates are
// missing or about to expire, and a kubeconfig for every user.
func (c *cluster) ensurePKI() error {
	now := time.Now()
	authority, err := loadPair(c.pki("ca"))
	if errors.Is(err, fs.ErrNotExist) {
		if authority, err = newAuthority(now); err == nil {
			err = authority.save(c.pki("ca"))
		}
	}
	if err != nil {
		return fmt.Errorf("certificate authority: %w", err)
	}
	for _, who := range identities {
		have, err := loadPair(c.pki(who.name))
		if err == nil && now.Before(have.certificate.NotAfter.Add(-24*time.Hour)) &&
			have.certificate.CheckSignatureFrom(authority.certificate) == nil {
			continue
		}
		made, err := authority.issue(who, now)
		if err != nil {
			return fmt.Errorf("certificate of %s: %w", who.name, err)
		}
		if err := made.save(c.pki(who.name)); err != nil {
			return err
		}
	}
	if _, err := os.Stat(c.pki("service-accounts.key")); err != nil {
		signer, err := newAuthority(now)
		if err != nil {
			return err
		}
		if err := signer.save(c.pki("service-accounts")); err != nil {
			return err
		}
	}
	return c.writeKubeconfigs()
}

// pair is a certificate and its key.
type pair struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(now time.Time) (pair, error) {
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "countersign test cluster"},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	return sign(template, nil, now)
}

func (authority pair) issue(who identity, now time.Time) (pair, error) {
	template := &x509.Certificate{
		Subject:  pkix.Name{CommonName: who.user},
		KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{
			x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth,
		},
	}
	if who.group != "" {
		template.Subject.Organization = []string{who.group}
	}
	for _, host := range who.hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	return sign(template, &authority, now)
}

// sign makes a key and has the authority, or the key itself, certify it.
func sign(template *x509.Certificate, authority *pair, now time.Time) (pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return pair{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 126))
	if err != nil {
		return pair{}, err
	}
	template.SerialNumber = serial
	// An hour back, so that a clock set right after the start does no harm.
	template.NotBefore = now.Add(-time.Hour)
	template.NotAfter = now.Add(validity)
	parent := pair{certificate: template, key: key}
	if authority != nil {
		parent = *authority
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent.certificate, key.Public(), parent.key)
	if err != nil {
		return pair{}, err
	}
	certificate, err := x509.ParseCertificate(der)
	return pair{certificate: certificate, key: key}, err
}

func (p pair) certificatePEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.certificate.Raw})
}

// save writes <path>.crt and <path>.key, the certificate last: a pair with a
// certificate is complete.
func (p pair) save(path string) error {
	der, err := x509.MarshalECPrivateKey(p.key)
	if err != nil {
		return err
	}
	key := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
	if err := writeFile(path+".key", string(key), 0o600); err != nil {
		return err
	}
	return writeFile(path+".crt", string(p.certificatePEM()), 0o644)
}

func loadPair(path string) (pair, error) {
	certificate, err := readPEM(path + ".crt")
	if err != nil {
		return pair{}, err
	}
	key, err := readPEM(path + ".key")
	if err != nil {
		return pair{}, err
	}
	var p pair
	if p.certificate, err = x509.ParseCertificate(certificate); err != nil {
		return pair{}, err
	}
	p.key, err = x509.ParseECPrivateKey(key)
	return p, err
}

func readPEM(path string) ([]byte, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, fmt.Errorf("%s holds no PEM block", path)
	}
	return block.Bytes, nil
}
