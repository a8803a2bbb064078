package forms_test

import (
	"reflect"
	"testing"

	"parley/xmpp"
	"parley/xmpp/forms"
)

func text(f *forms.Form) string {
	b := xmpp.NewBuilder(nil)
	f.Write(b)
	return b.String()
}

func TestAFormComesBackAsItWas(t *testing.T) {
	t.Parallel()
	f := &forms.Form{Type: forms.Submit, Title: "a < b", Fields: []forms.Field{
		{Var: "FORM_TYPE", Type: "hidden", Values: []string{"some:form"}},
		{Var: "many", Label: "'x'", Values: []string{"1", "", "&"}},
		{Var: "none"},
	}}
	e, err := xmpp.ParseElement("<query>" + text(f) + "</query>")
	if err != nil {
		t.Fatal(err)
	}
	got := forms.Parse(e.Children[0])
	if !reflect.DeepEqual(got, f) {
		t.Errorf("%+v comes back as %+v", f, got)
	}
	if got.Value("many") != "1" || got.Value("none") != "" || got.Values("other") != nil {
		t.Errorf("its values are %q, %q, %q", got.Value("many"), got.Value("none"), got.Values("other"))
	}
	if forms.Parse(e) != nil {
		t.Error("a form is found where there is none")
	}
	var none *forms.Form
	if none.Value("x") != "" {
		t.Error("no form has a value")
	}
}

func FuzzForm(f *testing.F) {
	f.Add(`<x xmlns='jabber:x:data' type='submit'><field var='a'><value>b</value></field></x>`)
	f.Fuzz(func(t *testing.T, in string) {
		e, err := xmpp.ParseElement(in)
		if err != nil {
			return
		}
		form := forms.Parse(e)
		if form == nil {
			return
		}
		e, err = xmpp.ParseElement(text(form))
		if err != nil {
			t.Fatalf("%s is written as %s: %v", in, text(form), err)
		}
		if again := forms.Parse(e); text(again) != text(form) {
			t.Errorf("%s comes back as %s", text(form), text(again))
		}
	})
}
