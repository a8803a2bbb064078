//go:build !opus || !cgo

package codec

// opus is not in this build.
func opus() []Codec { return nil }
