package im

import (
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const nsComposing = "urn:ietf:params:xml:ns:im-iscomposing"

// Refresh is how long somebody types who has not said how long (rfc3994#3.4).
const Refresh = 120 * time.Second

// Typing says whether somebody is typing.
type Typing struct {
	Active  bool
	Refresh time.Duration // how long that holds if nothing more is heard; Refresh if it is not said
}

// ParseComposing reads whether somebody is typing (rfc3994#3). A state that is not known is idle.
func ParseComposing(text string) (Typing, error) {
	var doc struct {
		XMLName xml.Name `xml:"urn:ietf:params:xml:ns:im-iscomposing isComposing"`
		State   string   `xml:"state"`
		Refresh string   `xml:"refresh"`
	}
	if err := unmarshal(text, &doc); err != nil {
		return Typing{}, err
	}
	t := Typing{Refresh: Refresh}
	switch strings.TrimSpace(doc.State) {
	case "active":
		t.Active = true
	case "":
		return Typing{}, fmt.Errorf("%w: there is no state", ErrSyntax)
	}
	if n, err := strconv.ParseUint(strings.TrimSpace(doc.Refresh), 10, 16); err == nil && n > 0 {
		t.Refresh = time.Duration(n) * time.Second
	}
	return t, nil
}

// IsComposing tells whether somebody is typing.
func IsComposing(active bool) string {
	state := "idle"
	if active {
		state = "active"
	}
	return declaration + "<isComposing xmlns=\"" + nsComposing + "\"><state>" + state + "</state><contenttype>" + Text +
		"</contenttype></isComposing>"
}
