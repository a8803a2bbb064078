//go:build ignore

// Writes docs/config.md.
package main

import (
	"fmt"
	"os"

	"parley/internal/config"
)

func main() {
	if err := os.WriteFile("../../docs/config.md", []byte(config.Markdown()), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
