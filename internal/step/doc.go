// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package step is what the programs that run as steps of Tasks share: how they
// read parameters and mounted Secrets, write Tekton results, tell what they do,
// and end.
//
// A step never runs a shell, and takes no text from a pull request, parameter or
// file for anything but data. Its exit codes mean something:
//
//	0  done
//	1  something could not be reached or did not work; trying again may help
//	2  what was asked for is wrong: a parameter, the promotion pull request, the
//	   stage file, an inventory entry; every problem is listed
//	3  refused: the change request or the run is not one that may go on
package step
