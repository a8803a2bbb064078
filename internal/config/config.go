// Package config is the server's configuration: a typed Config, read strictly from TOML, and
// its own reference.
//
// Each setting stands once in Config, once in Default, and once in the table of fields.go,
// which says how it is read, what is allowed and what it means. The loader, the printed
// reference, docs/config.md and Diff all walk that table.
package config

import (
	"crypto/tls"
	"log/slog"
	"net/netip"
	"time"
)

//go:generate go run gen.go

// Config is everything an operator can set. Begin with Default or Demo.
type Config struct {
	Server    Server
	SIP       SIP
	XMPP      XMPP
	Archive   Archive
	Offline   Offline
	Registrar Registrar
	Web       Web
	TLS       TLS
	Accounts  Accounts
	Auth      Auth
	Calls     Calls
	Media     Media
	TURN      TURN
	Presence  Presence
	Echo      Echo
	Contact   Contact
	Log       Log

	// Demo asks for the demo accounts; it is set by the command line, not by a file.
	Demo bool
}

// Server says who the server is.
type Server struct {
	Domains []string // as internal/address writes a domain; the first is the server's own name
	Data    string   // the data folder; "" leaves it to the command line
}

// SIP is the SIP side: where it listens and what a peer may ask of it. Listening
// addresses are in the form that net.Listen takes, ":5060" or "192.0.2.1:5060".
type SIP struct {
	UDP           []string
	TCP           []string
	TLS           []string
	PublicAddress netip.Addr // zero: none
	LocalNetworks []netip.Prefix

	MaxMessage            int // bytes
	Connections           int
	ConnectionsPerAddress int
	HandshakeTime         time.Duration
	FirstMessageTime      time.Duration
	TimeToAuthenticate    time.Duration
	RequestsBeforeAuth    int
	MessageTime           time.Duration
	Idle                  time.Duration
	Ping                  time.Duration
	DeadPeerTime          time.Duration
	DialTime              time.Duration
	SendQueue             int // messages
	SendQueueBytes        int
	SendTime              time.Duration
	RefusalsPerSecond     int
	STUNPerSecond         int
	Working               int
	Transactions          int
	T1, T2, T4            time.Duration
}

// XMPP is the XMPP side: where it listens and what a client may ask of it.
type XMPP struct {
	C2S        []string
	C2STLS     []string
	RequireTLS bool

	Connections           int
	ConnectionsPerAddress int
	SessionsPerAccount    int
	HandshakeTime         time.Duration
	FirstByteTime         time.Duration
	TimeToAuthenticate    time.Duration
	BytesBeforeAuth       int
	StanzaBeforeAuth      int // bytes
	Tries                 int
	MaxStanza             int // bytes
	StanzaTime            time.Duration
	Idle                  time.Duration
	Ping                  time.Duration
	DeadPeerTime          time.Duration
	SendQueue             int // stanzas
	SendQueueBytes        int
	SendTime              time.Duration
	ResumeTime            time.Duration
	AckStanzas            int
	AckTime               time.Duration
}

// Archive is what accounts have said and heard, kept for all of their devices.
type Archive struct {
	Default   ArchiveDefault
	Retention time.Duration // 0: for ever
	Page      int           // messages
}

// ArchiveDefault says what is archived of an account that has not said what it wants.
type ArchiveDefault string

// What is archived.
const (
	ArchiveAlways ArchiveDefault = "always"
	ArchiveRoster ArchiveDefault = "roster"
	ArchiveNever  ArchiveDefault = "never"
)

// Offline bounds what waits for those who are not there.
type Offline struct {
	Messages int // for one account
	Bytes    int // and their size
	Keep     time.Duration
}

// Registrar bounds what phones may bind.
type Registrar struct {
	MinExpires, DefaultExpires, MaxExpires time.Duration
	Contacts                               int
}

// Web is the HTTPS side: a page at /, and SIP and XMPP over WebSocket.
type Web struct {
	HTTPS   []string
	HTTP    []string
	Origins []string
	Page    bool
}

// TLS is the certificate of SIP over TLS and of HTTPS.
type TLS struct {
	Certificate, Key string
	MinVersion       TLSVersion
}

// Accounts holds what new accounts begin with.
type Accounts struct {
	Strangers bool

	// What one account may keep.
	Contacts     int // on its roster
	Requests     int // of people who are not on it
	Blocked      int
	Card         int // bytes
	Devices      int // with a token
	DeviceUnused time.Duration
}

// Auth is digest authentication and what slows those who guess.
type Auth struct {
	NonceLifetime time.Duration
	FreeTries     int
	FirstDelay    time.Duration
	MaxDelay      time.Duration
	Forget        time.Duration
	SHA256Agents  []string
	MD5Agents     []string
}

// Calls is how calls run.
type Calls struct {
	Mode        CallMode
	Anchor      Anchor
	Encryption  Encryption
	Transcode   bool
	Ring        time.Duration
	TimerC      time.Duration
	MaxDuration time.Duration
	MaxBreadth  int
	Drain       time.Duration
}

// Media is where the server's own RTP is sent and received.
type Media struct {
	Address       netip.Addr // zero: one that SIP listens on
	PublicAddress netip.Addr // zero: sip.public_address
	Ports         PortRange
	Silence       time.Duration
}

// TURN gives clients behind NATs an address here, beside those of Media.
type TURN struct {
	Enabled     Enabled
	UDP         []string
	TCP         []string
	TLS         []string
	Host        string // "": the public address, and for TLS the first domain
	Ports       PortRange
	AllowPeers  []netip.Prefix
	DenyPeers   []netip.Prefix
	Credentials time.Duration

	Allocations           int
	AllocationsPerAccount int
	Bandwidth             int // bytes a second
	Lifetime              time.Duration
	Connections           int
	ConnectionsPerAddress int
}

// Enabled says whether there is something.
type Enabled string

// When there is something.
const (
	Auto   Enabled = "auto" // where it is of use
	Always Enabled = "always"
	Never  Enabled = "never"
)

// Presence is what phones see of people, and say of themselves.
type Presence struct {
	MinExpires, MaxExpires time.Duration
	Subscriptions          int // of one account's phones
	OnThePhone             bool
}

// Echo is the service that plays a caller's voice back.
type Echo struct {
	Enabled  bool
	Name     string
	MaxCalls int
}

// Contact is where people of the server are reached: URIs.
type Contact struct {
	Abuse, Admin, Security, Support []string
}

// Log is what is logged and how.
type Log struct {
	Level  slog.Level
	Format LogFormat
}

// CallMode says in which of the two ways calls run.
type CallMode string

// The modes of a call.
const (
	ModeAuto       CallMode = "auto" // the plan chooses
	ModeProxied    CallMode = "proxied"
	ModeBackToBack CallMode = "back-to-back"
)

// Anchor says when a call's media passes through the server.
type Anchor string

// When media is anchored.
const (
	AnchorNever  Anchor = "never"
	AnchorNAT    Anchor = "nat"
	AnchorAlways Anchor = "always"
)

// Encryption says what becomes of media that one end wants encrypted and the other doesn't.
type Encryption string

// The policies of encryption.
const (
	EncryptionAsOffered     Encryption = "as offered"
	EncryptionOpportunistic Encryption = "opportunistic"
	EncryptionRequired      Encryption = "required"
)

// TLSVersion is a version of TLS as crypto/tls numbers it.
type TLSVersion uint16

// LogFormat is how a line of the log is written.
type LogFormat string

// The formats of the log.
const (
	LogText LogFormat = "text"
	LogJSON LogFormat = "json"
)

// PortRange is a range of ports, both ends included.
type PortRange struct{ Low, High uint16 }

// Default is the configuration of an empty file.
func Default() Config {
	return Config{
		Server: Server{Domains: []string{"localhost"}},
		SIP: SIP{
			UDP: []string{":5060"},
			TCP: []string{":5060"},
			TLS: []string{":5061"},

			MaxMessage:            64 << 10,
			Connections:           20000,
			ConnectionsPerAddress: 256,
			HandshakeTime:         10 * time.Second,
			FirstMessageTime:      15 * time.Second,
			TimeToAuthenticate:    2 * time.Minute,
			RequestsBeforeAuth:    32,
			MessageTime:           15 * time.Second,
			Idle:                  65 * time.Minute, // an hourly REGISTER keeps it
			Ping:                  30 * time.Second,
			DeadPeerTime:          time.Minute,
			DialTime:              10 * time.Second,
			SendQueue:             512,
			SendQueueBytes:        1 << 20,
			SendTime:              15 * time.Second,
			RefusalsPerSecond:     50,
			STUNPerSecond:         5000,
			Working:               1024,
			Transactions:          200000,
			T1:                    500 * time.Millisecond,
			T2:                    4 * time.Second,
			T4:                    5 * time.Second,
		},
		XMPP: XMPP{
			C2S:        []string{":5222"},
			C2STLS:     []string{":5223"},
			RequireTLS: true,

			Connections:           20000,
			ConnectionsPerAddress: 256,
			SessionsPerAccount:    20,
			HandshakeTime:         10 * time.Second,
			FirstByteTime:         15 * time.Second,
			TimeToAuthenticate:    time.Minute,
			BytesBeforeAuth:       64 << 10,
			StanzaBeforeAuth:      16 << 10,
			Tries:                 5,
			MaxStanza:             256 << 10,
			StanzaTime:            30 * time.Second,
			Idle:                  5 * time.Minute,
			Ping:                  30 * time.Second,
			DeadPeerTime:          time.Minute,
			SendQueue:             2000,
			SendQueueBytes:        4 << 20,
			SendTime:              30 * time.Second,
			ResumeTime:            10 * time.Minute,
			AckStanzas:            10,
			AckTime:               2 * time.Second,
		},
		Archive: Archive{Default: ArchiveAlways, Retention: 2 * 365 * 24 * time.Hour, Page: 100},
		Accounts: Accounts{
			Contacts: 1000, Requests: 200, Blocked: 1000, Card: 64 << 10, Devices: 20, DeviceUnused: 90 * 24 * time.Hour,
		},
		Offline: Offline{Messages: 1000, Bytes: 16 << 20, Keep: 30 * 24 * time.Hour},
		Registrar: Registrar{
			MinExpires:     time.Minute,
			DefaultExpires: time.Hour,
			MaxExpires:     24 * time.Hour,
			Contacts:       20,
		},
		Web: Web{HTTPS: []string{":8443"}, Page: true},
		TLS: TLS{MinVersion: tls.VersionTLS12},
		Auth: Auth{
			NonceLifetime: 5 * time.Minute,
			FreeTries:     5,
			FirstDelay:    time.Second,
			MaxDelay:      time.Minute,
			Forget:        15 * time.Minute,
			SHA256Agents:  []string{"Linphone"},
		},
		Calls: Calls{
			Mode:        ModeAuto,
			Anchor:      AnchorNAT,
			Encryption:  EncryptionAsOffered,
			Transcode:   true,
			Ring:        time.Minute,
			TimerC:      3*time.Minute + time.Second,
			MaxDuration: 12 * time.Hour,
			MaxBreadth:  60,
			Drain:       30 * time.Second,
		},
		Media: Media{Ports: PortRange{30000, 39999}, Silence: 2 * time.Minute},
		TURN: TURN{
			Enabled:     Auto,
			UDP:         []string{":3478"},
			TCP:         []string{":3478"},
			TLS:         []string{":5349"},
			Ports:       PortRange{49152, 65535},
			Credentials: 12 * time.Hour,

			Allocations:           2000,
			AllocationsPerAccount: 40,
			Bandwidth:             1 << 20,
			Lifetime:              time.Hour,
			Connections:           5000,
			ConnectionsPerAddress: 256,
		},
		Presence: Presence{MinExpires: time.Minute, MaxExpires: time.Hour, Subscriptions: 200, OnThePhone: true},
		Echo:     Echo{Enabled: true, Name: "echo", MaxCalls: 100},
		Log:      Log{Level: slog.LevelInfo, Format: LogText},
	}
}

// Demo is the configuration of a server to try things on: the domain localhost, reachable
// from this machine alone.
func Demo() Config {
	c := Default()
	c.Server.Domains = []string{"localhost"}
	c.SIP.UDP = []string{"127.0.0.1:5060"}
	c.SIP.TCP = []string{"127.0.0.1:5060"}
	c.SIP.TLS = []string{"127.0.0.1:5061"}
	c.XMPP.C2S = []string{"127.0.0.1:5222"}
	c.XMPP.C2STLS = []string{"127.0.0.1:5223"}
	c.XMPP.RequireTLS = false
	c.Web.HTTPS = []string{"127.0.0.1:8443"}
	c.TURN.UDP = []string{"127.0.0.1:3478"}
	c.TURN.TCP = []string{"127.0.0.1:3478"}
	c.TURN.TLS = []string{"127.0.0.1:5349"}
	c.Media.Address = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	c.Demo = true
	return c
}
