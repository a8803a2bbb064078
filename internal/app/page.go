package app

import (
	"parley/internal/config"
	"parley/internal/edge/webedge"
	"parley/web/plain"
)

// newPage is what HTTPS shows at /, nil if the operator wants none.
func newPage(w config.Web) (*webedge.Page, error) {
	if !w.Page {
		return nil, nil //nolint:nilnil // none is a wish
	}
	return webedge.OpenPage(plain.Files())
}
