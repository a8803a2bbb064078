package main

import (
	"cmp"

	"parley/internal/config"
)

// place says where the server's data and configuration are; every verb takes it.
type place struct {
	Config string `placeholder:"FILE" env:"PARLEY_CONFIG" help:"Configuration file (TOML). None is needed."`
	Data   string `placeholder:"DIR" env:"PARLEY_DATA" help:"Data folder. Default: that of the configuration file, or ./parley-data."`
}

const defaultData = "parley-data"

// load reads the configuration over base, with the data folder that is to be used.
func (p *place) load(base config.Config) (config.Config, error) {
	cfg := base
	if p.Config != "" {
		var err error
		if cfg, err = config.Load(p.Config, base); err != nil {
			return cfg, err
		}
	}
	cfg.Server.Data = cmp.Or(p.Data, cfg.Server.Data, defaultData)
	return cfg, nil
}

// dir is the data folder, for messages.
func (p *place) dir() string {
	cfg, err := p.load(config.Default())
	if err != nil {
		return cmp.Or(p.Data, defaultData)
	}
	return cfg.Server.Data
}
