package app

func (a *App) addAgents() error { return nil }
