package rsm_test

import (
	"testing"

	"parley/xmpp"
	"parley/xmpp/rsm"
)

func TestRequests(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]rsm.Request{
		"":                             {Max: -1, Index: -1},
		"<max>10</max>":                {Max: 10, Index: -1},
		"<max> 0 </max>":               {Max: 0, Index: -1},
		"<after>x</after>":             {Max: -1, Index: -1, After: "x"},
		"<before/>":                    {Max: -1, Index: -1, Last: true},
		"<before>y</before>":           {Max: -1, Index: -1, Last: true, Before: "y"},
		"<index>3</index><max>2</max>": {Max: 2, Index: 3},
		"<after/>":                     {Max: -1, Index: -1},
		"<other>1</other><max>1</max>": {Max: 1, Index: -1},
	} {
		e, err := xmpp.ParseElement("<query><set xmlns='" + rsm.NS + "'>" + in + "</set></query>")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := rsm.Parse(e); err != nil || got != want {
			t.Errorf("%s is read as %+v, %v; want %+v", in, got, err, want)
		}
	}
	if got, err := rsm.Parse(&xmpp.Element{}); err != nil || got != (rsm.Request{Max: -1, Index: -1}) {
		t.Errorf("no set at all is read as %+v, %v", got, err)
	}
}

func FuzzRequest(f *testing.F) {
	f.Add("10", "x", "", "")
	f.Fuzz(func(t *testing.T, most, after, before, index string) {
		b := xmpp.NewBuilder(nil).Open("q", "x").Open("set", rsm.NS)
		b.Element("max", "", most).Element("after", "", after).Element("before", "", before).Element("index", "", index)
		e, err := xmpp.ParseElement(b.Close().Close().String())
		if err != nil {
			t.Fatal(err)
		}
		r, err := rsm.Parse(e)
		if err == nil && (r.Max < 0 || r.Index < 0 || !r.Last) {
			t.Errorf("%q, %q are read as %+v", most, index, r)
		}
	})
}
