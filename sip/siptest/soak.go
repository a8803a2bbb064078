package siptest

import "os"

// SoakVar names the environment variable that asks for large numbers: make soak sets it.
const SoakVar = "PARLEY_SOAK"

// Soak is how many of a thing a test does: normal, or large in a soak run.
func Soak(normal, large int) int {
	if os.Getenv(SoakVar) == "" {
		return normal
	}
	return large
}
