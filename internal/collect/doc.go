// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package collect records the result of a check as evidence: what Task
// collect-evidence does.
//
// A check is recorded twice, first as pending, before it runs, and then with
// its outcome. Between the two it blocks, and it goes on blocking if the run
// dies there: a check that nobody saw end is not known to be good.
//
// [Run] does one of the two, in three parts. What was asked for is checked on
// its own ([Params.Check]); the files that it names are looked at (gather); and
// from both follows the record, or the list of all faults (decide, which is
// pure). Only then is anything written: the attachments, the assets, the
// evidence, in this order, so that whatever interrupts it leaves nothing that
// names something missing.
//
// Everything in files and parameters is data. Attachments and findings are read
// inside of one folder, which no link leads out of; the file with the status
// may lie elsewhere, and is never repeated in a message.
package collect
