package im

import (
	"encoding/xml"
	"fmt"
	"strings"
)

const nsNotice = "urn:ietf:params:xml:ns:imdn"

// Kind is what a notice tells of (rfc5438#5).
type Kind string

// The kinds.
const (
	OfDelivery   Kind = "delivery"
	OfDisplay    Kind = "display"
	OfProcessing Kind = "processing"
)

// Notice tells what became of a message (rfc5438#11).
type Notice struct {
	ID        string // of the message
	DateTime  string
	Recipient string // URI of whom it was for
	Kind      Kind
	Status    string // delivered, displayed, processed, stored, failed, forbidden, error
}

type status struct {
	Status struct {
		Any []struct{ XMLName xml.Name } `xml:",any"`
	} `xml:"status"`
}

// ParseNotice reads an IMDN document.
func ParseNotice(text string) (*Notice, error) {
	var doc struct {
		XMLName    xml.Name `xml:"urn:ietf:params:xml:ns:imdn imdn"`
		ID         string   `xml:"message-id"`
		DateTime   string   `xml:"datetime"`
		Recipient  string   `xml:"recipient-uri"`
		Delivery   *status  `xml:"delivery-notification"`
		Display    *status  `xml:"display-notification"`
		Processing *status  `xml:"processing-notification"`
	}
	if err := unmarshal(text, &doc); err != nil {
		return nil, err
	}
	n := &Notice{ID: strings.TrimSpace(doc.ID), DateTime: strings.TrimSpace(doc.DateTime), Recipient: strings.TrimSpace(doc.Recipient)}
	for _, k := range []struct {
		kind Kind
		s    *status
	}{{OfDelivery, doc.Delivery}, {OfDisplay, doc.Display}, {OfProcessing, doc.Processing}} {
		if k.s != nil && len(k.s.Status.Any) > 0 {
			n.Kind, n.Status = k.kind, k.s.Status.Any[0].XMLName.Local
			break
		}
	}
	if n.ID == "" || n.Kind == "" {
		return nil, fmt.Errorf("%w: a notice has no message or no status", ErrSyntax)
	}
	return n, nil
}

// String writes the document. Kind and Status have to be of those above.
func (n *Notice) String() string {
	var b strings.Builder
	put := func(name, value string) {
		if value != "" {
			b.WriteString("<" + name + ">" + escape(value) + "</" + name + ">")
		}
	}
	b.WriteString(declaration + "<imdn xmlns=\"" + nsNotice + "\">")
	put("message-id", n.ID)
	put("datetime", n.DateTime)
	put("recipient-uri", n.Recipient)
	kind := string(n.Kind) + "-notification"
	b.WriteString("<" + kind + "><status><" + n.Status + "/></status></" + kind + "></imdn>")
	return b.String()
}
