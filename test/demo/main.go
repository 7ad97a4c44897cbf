// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Command demo is the program behind `make demo`: it deploys a real application
// under a real change request, shows the run on one screen while it goes, and
// prints the change request at the end.
//
//	demo [--scenario=NAME]   tell one story; "help" lists them
//	demo --remove            take away what the demo made
//
// Everything it makes in the cluster lies in its own namespaces, apart from a
// list of cluster-scoped objects that it prints.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"
)

func main() {
	name := flag.String("scenario", "ready", "the story to tell; help lists them")
	remove := flag.Bool("remove", false, "take away what the demo made")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	d := &demo{
		began:    time.Now(),
		external: os.Getenv("CLUSTER") == "external",
		out:      newScreen(os.Stdout),
	}
	var err error
	switch {
	case *remove:
		err = d.remove(ctx)
	case *name == "help" || *name == "list":
		fmt.Print(listScenarios())
	default:
		err = d.tell(ctx, *name)
	}
	if err == nil {
		return
	}
	d.out.clear()
	if ctx.Err() != nil {
		fmt.Fprintln(os.Stderr, "\ninterrupted; what was started goes on in the cluster")
		os.Exit(130)
	}
	fmt.Fprintf(os.Stderr, "\nThe demo failed: %v\n", err)
	var advice *advised
	if errors.As(err, &advice) {
		fmt.Fprintf(os.Stderr, "\nWhat to do: %s\n", advice.advice)
	}
	os.Exit(1)
}

// advised is an error with what a person can do about it.
type advised struct {
	error
	advice string
}

func (a *advised) Unwrap() error { return a.error }

func advise(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &advised{err, fmt.Sprintf(format, args...)}
}

// screen writes to a terminal, where one block of lines can be redrawn in
// place, or to anything else, where each line is written once.
type screen struct {
	file  *os.File
	live  bool
	color bool
	block []string // what is drawn now, below everything else
}

func newScreen(file *os.File) *screen {
	live := term.IsTerminal(int(file.Fd())) && os.Getenv("TERM") != "dumb" && os.Getenv("NO_COLOR") == ""
	return &screen{file: file, live: live, color: live}
}

// say writes a line above the block, for good.
func (s *screen) say(format string, args ...any) {
	s.clear()
	fmt.Fprintf(s.file, format+"\n", args...)
}

// draw replaces the block. All of it goes out in one write, and only if it
// differs, so that nothing flickers.
func (s *screen) draw(lines []string) {
	if !s.live {
		return
	}
	if width, _, err := term.GetSize(int(s.file.Fd())); err == nil && width > 0 {
		lines = cut(lines, width-1)
	}
	frame := redraw(s.block, lines)
	if frame != "" {
		fmt.Fprint(s.file, frame)
	}
	s.block = lines
}

// keep leaves the block where it is, and goes on below it.
func (s *screen) keep() { s.block = nil }

// clear takes the block away.
func (s *screen) clear() {
	if len(s.block) > 0 {
		fmt.Fprint(s.file, redraw(s.block, nil))
	}
	s.block = nil
}
