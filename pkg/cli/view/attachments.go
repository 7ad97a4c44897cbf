// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"io"
	"slices"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/cli/terminal"
)

// AllAttachments are the documents of a record: those from its opening, then
// those from its conclusions.
func AllAttachments(change *v1alpha1.ChangeRequest) []v1alpha1.Attachment {
	return slices.Concat(change.Spec.Attachments, change.Status.Attachments)
}

// Attachments draws documents of a record, each with the command that downloads
// it.
func Attachments(w io.Writer, style terminal.Style, change *v1alpha1.ChangeRequest, attachments []v1alpha1.Attachment) error {
	p := &page{style: style}
	p.attachmentList(change, attachments, "")
	if len(attachments) == 0 {
		p.line("", "The change request has no attachments.")
	}
	return p.writeTo(w)
}

func (p *page) attachments(change *v1alpha1.ChangeRequest) {
	attachments := AllAttachments(change)
	if len(attachments) == 0 {
		return
	}
	p.heading("Attachments")
	p.attachmentList(change, attachments, "  ")
	p.line("  ", p.style.Faint("Any OCI client fetches the same bytes, such as: crane blob REFERENCE > FILE"))
}

func (p *page) attachmentList(change *v1alpha1.ChangeRequest, attachments []v1alpha1.Attachment, indent string) {
	for _, attachment := range attachments {
		p.line(indent, p.style.Bold(orNone(attachment.Name)), "  ", size(attachment.Size), "  ",
			orNone(attachment.MediaType), "  ", orNone(attachment.FileName))
		p.field(indent+"  ", "Digest", orNone(attachment.Digest))
		p.field(indent+"  ", "Reference", orNone(attachment.Reference))
		p.field(indent+"  ", "Download", p.style.Command(
			command("attachments", change, "--download .", Shell(attachment.Name))))
	}
}
