package config

import "reflect"

// Diff names the settings in which two configurations differ: those that take effect by a
// reload, and those that need a restart.
func Diff(before, after Config) (reloadable, needsRestart []string) {
	old, young := before.sections(), after.sections()
	for i, s := range old {
		for j, f := range s.fields {
			if f.value.text() == young[i].fields[j].value.text() {
				continue
			}
			key := s.name + "." + f.name
			if f.reload == onReload {
				reloadable = append(reloadable, key)
			} else {
				needsRestart = append(needsRestart, key)
			}
		}
	}
	return reloadable, needsRestart
}

// Merge is what a server runs with that was started with one configuration and read another since: the
// latter's settings that take effect by a reload, the former's that need a restart.
func Merge(running, read Config) Config {
	out := running
	after := read.sections()
	for i, s := range out.sections() {
		for j, f := range s.fields {
			if f.reload == onReload {
				reflect.ValueOf(f.value.place()).Elem().Set(reflect.ValueOf(after[i].fields[j].value.place()).Elem())
			}
		}
	}
	return out
}
