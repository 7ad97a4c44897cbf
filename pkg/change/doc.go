// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package change is the domain: what a change request may do next, and why.
//
// Everything here is a pure function of plain values. No function has a client,
// reads a clock or sleeps, so the controller, the steps and the command line
// decide alike, and each decision can be tested as a table.
//
// Three decisions carry a change through its life:
//
//   - Decide moves the record: from what is stored (approvals, conclusions, the
//     custom tasks and the state of the runs) it derives the next status of a
//     ChangeRequest. It is the only place that changes a state.
//   - DecideOpen answers custom task OpenChange, DecideGate answers custom task
//     ApproveChange. Both only read the record, so a gate passes only after the
//     record says that its run implements the change.
//
// Each is a commented list of small rules in the order in which they apply; the
// lists are the documentation.
//
// Fail closed: an unknown value, a missing policy, an error while gathering, all
// leave the gate shut.
package change
