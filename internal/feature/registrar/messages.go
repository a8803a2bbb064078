package registrar

import (
	"slices"
	"strings"

	"parley/internal/core"
	"parley/sip"
)

// takesMessages says whether a contact takes MESSAGE, as far as the REGISTER tells: by the methods of the contact
// (rfc3840#6), else by its Allow.
func takesMessages(c sip.Address, req *sip.Message) core.Ability {
	if methods, ok := c.Params.Get("methods"); ok {
		list := strings.FieldsFunc(methods, func(r rune) bool { return r == ',' || r == ' ' })
		return ability(slices.ContainsFunc(list, func(m string) bool { return strings.EqualFold(m, string(sip.MESSAGE)) }))
	}
	if req.Has(sip.HeaderAllow) {
		return ability(req.HasToken(sip.HeaderAllow, string(sip.MESSAGE)))
	}
	return core.Unknown
}

func ability(can bool) core.Ability {
	if can {
		return core.Able
	}
	return core.Unable
}
