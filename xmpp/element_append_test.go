package xmpp

import (
	"reflect"
	"testing"
)

func TestAnElementIsWrittenAsItWasRead(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"<a xmlns='x'><b/><c xmlns='y'><d/><e xmlns='x'/></c></a>": "<a xmlns='x'><b/><c xmlns='y'><d/><e xmlns='x'/></c></a>",
		"<p:a xmlns:p='x'><p:b>t</p:b><q xmlns='y'/></p:a>":        "<a xmlns='x'><b>t</b><q xmlns='y'/></a>",
		"<a xmlns='x'><b xmlns=''><c/></b></a>":                    "<a xmlns='x'><b xmlns=''><c/></b></a>",
		"<a/>":                                                     "<a/>",
		"<a xmlns='x' xmlns:p='y' xmlns:q='z' xmlns:r='y' p:i='1' q:i='2' r:j='3' k='&lt;' xml:lang='en'/>": "<a xmlns='x' xmlns:n0='y' n0:i='1' " +
			"xmlns:n1='z' n1:i='2' n0:j='3' k='&lt;' xml:lang='en'/>",
	} {
		e, err := ParseElement(in)
		if err != nil {
			t.Fatalf("%s: %v", in, err)
		}
		b := NewBuilder(nil)
		e.Append(b)
		if b.String() != want {
			t.Errorf("%s is written as %s, want %s", in, b, want)
		}
		if again, err := ParseElement(b.String()); err != nil || !reflect.DeepEqual(again, e) {
			t.Errorf("%s is read again as %+v, %v", b, again, err)
		}
	}
}
