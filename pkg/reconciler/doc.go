// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package reconciler holds the controller's reconcilers, one folder for each, all
// in three steps: gather, decide (in package change), apply.
//
// Facts flow in one direction. A step stores a ChangeRequest; changerequest keeps
// its status; openchange and approvechange answer custom tasks by what that status
// says; a step stores a ChangeConclusion; changeconclusion reads how its run ended;
// changerequest makes it part of the record; changeconclusion says that it did.
// Nobody writes another's status, and nobody waits while holding anything: each is
// woken by what it waits for.
package reconciler
