// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Command hello is the small application that the examples, the demo and the
// end-to-end tests deploy: an HTTP server that greets and says which version
// of it is running.
//
//	GET /         hello from version 1.2.0
//	GET /version  1.2.0
//
// Its version is the environment variable HELLO_VERSION, which belongs to the
// image: another version is another image with another digest.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	version := os.Getenv("HELLO_VERSION")
	if version == "" {
		version = "unknown"
	}
	server := &http.Server{
		Addr:              ":8080",
		Handler:           handler(version),
		ReadHeaderTimeout: 5 * time.Second,
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() {
		<-ctx.Done()
		if err := server.Shutdown(context.Background()); err != nil {
			log.Printf("shutting down: %v", err)
		}
	}()
	log.Printf("hello %s listens on %s", version, server.Addr)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatalf("serving: %v", err)
	}
}

// handler answers as one version of the application.
func handler(version string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "hello from version %s\n", version)
	})
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, version)
	})
	return mux
}
