package config

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
