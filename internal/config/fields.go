package config

import (
	"crypto/tls"
	"log/slog"
	"time"
)

// section is one table of the file.
type section struct {
	name   string
	doc    string
	fields []field
}

// field is one setting: its name, where and how it is kept, and its documentation.
type field struct {
	name   string
	value  value
	reload reload
	doc    string
	ref    string // the standard that it is about, if there is one
}

// reload says whether a change takes effect on SIGHUP.
type reload bool

const (
	onReload  reload = true
	onRestart reload = false
)

// sections is the table of all settings, bound to c, in the order of the reference.
func (c *Config) sections() []section {
	return []section{
		c.serverSection(), c.sipSection(), c.xmppSection(), c.archiveSection(), c.offlineSection(), c.registrarSection(), c.webSection(), c.tlsSection(),
		c.accountsSection(), c.authSection(), c.callsSection(), c.mediaSection(), c.turnSection(), c.presenceSection(), c.echoSection(),
		c.contactSection(), c.logSection(),
	}
}

func (c *Config) serverSection() section {
	return section{"server", "Who the server is.", []field{
		{"domains", domains(&c.Server.Domains), onRestart,
			"The domains whose accounts live here. The first is the server's own name.", ""},
		{"data", path{&c.Server.Data, `the name of a folder, or ""`}, onRestart,
			"The data folder: accounts, bindings, keys. Only one server may use it at a time. " +
				"A relative name starts from this file's folder; empty means ./parley-data. --data and PARLEY_DATA come before it.", ""},
	}}
}

func (c *Config) sipSection() section {
	s := &c.SIP
	return section{"sip", "SIP: where the server listens, and what a peer may ask of it.", []field{
		{"udp", listeners(&s.UDP), onRestart,
			"Addresses for SIP over UDP. Without a host it is every address of the machine, IPv4 and IPv6.", "rfc3261#18"},
		{"tcp", listeners(&s.TCP), onRestart, "Addresses for SIP over TCP.", "rfc3261#18"},
		{"tls", listeners(&s.TLS), onRestart, "Addresses for SIP over TLS.", "rfc3261#26.2"},
		{"public_address", ip(&s.PublicAddress), onRestart,
			"The address under which peers reach this server when it stands behind a 1:1 NAT, " +
				"ports unchanged. It is what Via, Record-Route and Contact show.", ""},
		{"local_networks", networks(&s.LocalNetworks), onRestart,
			"Networks whose peers reach this server under its own addresses in spite of public_address. Loopback always is one.", ""},
		{"max_message", size(&s.MaxMessage, 4<<10, 1<<20), onReload,
			"The longest message taken from a TCP, TLS or WebSocket connection; a longer one ends it.", ""},
		{"connections", integer{&s.Connections, 1, 1000000}, onReload,
			"Connections that peers may have open at once, all listeners together; as many may be opened by the server.", ""},
		{"connections_per_address", integer{&s.ConnectionsPerAddress, 1, 1000000}, onReload,
			"Connections that one IP address (one /64 of IPv6) may have open at once.", ""},
		{"handshake_time", duration(&s.HandshakeTime, time.Second, time.Minute), onRestart,
			"A TLS handshake has to be done in this time.", ""},
		{"first_message_time", duration(&s.FirstMessageTime, time.Second, time.Hour), onReload,
			"A new connection has to bring its first message in this time.", ""},
		{"time_to_authenticate", duration(&s.TimeToAuthenticate, time.Second, time.Hour), onReload,
			"Somebody has to sign in on a connection in this time from its first message, or it is closed.", ""},
		{"requests_before_auth", integer{&s.RequestsBeforeAuth, 1, 100000}, onReload,
			"Messages that a connection may bring before somebody has signed in on it.", ""},
		{"message_time", duration(&s.MessageTime, time.Second, time.Hour), onReload,
			"A message has to be there whole in this time from its first byte.", ""},
		{"idle", duration(&s.Idle, 10*time.Second, 24*time.Hour), onReload,
			"A connection on which nothing arrives for this long is closed. The default leaves one open that " +
				"brings no more than an hourly REGISTER.", ""},
		{"ping", duration(&s.Ping, 5*time.Second, time.Hour), onReload,
			"The time between two pings on a WebSocket.", "rfc6455#5.5.2"},
		{"dead_peer_time", duration(&s.DeadPeerTime, 5*time.Second, time.Hour), onRestart,
			"A peer that has not acknowledged what was sent, or not answered a ping, for this long is gone.", ""},
		{"dial_time", duration(&s.DialTime, time.Second, time.Minute), onReload,
			"A connection that the server opens has to be there, handshake and all, in this time.", ""},
		{"send_queue", integer{&s.SendQueue, 8, 65536}, onReload,
			"Messages that may wait to be sent on one connection; past it a message fails.", ""},
		{"send_queue_bytes", size(&s.SendQueueBytes, 64<<10, 64<<20), onReload,
			"What those messages may take together.", ""},
		{"send_time", duration(&s.SendTime, time.Second, 10*time.Minute), onReload,
			"A peer has to take what is sent to it in this time, or its connection is closed.", ""},
		{"refusals_per_second", integer{&s.RefusalsPerSecond, 1, 100000}, onRestart,
			"Malformed datagrams that each UDP listener answers in a second; further ones get nothing.", ""},
		{"stun_per_second", integer{&s.STUNPerSecond, 1, 1000000}, onRestart,
			"STUN keep-alives that each UDP listener answers in a second.", "rfc5626#4.4.2"},
		{"working", integer{&s.Working, 1, 100000}, onRestart,
			"Requests that may be waiting for the data folder at once; past it new ones get 503.", ""},
		{"transactions", integer{&s.Transactions, 100, 10000000}, onRestart,
			"Transactions held at once; past it new requests get 503.", "rfc3261#17"},
		{"t1", duration(&s.T1, 50*time.Millisecond, 10*time.Second), onRestart,
			"The estimated round trip: the first retransmission comes after it, and a request without an answer fails after 64 times it.", "rfc3261#17.1.1.1"},
		{"t2", duration(&s.T2, 50*time.Millisecond, time.Minute), onRestart,
			"The longest time between two retransmissions.", "rfc3261#17.1.2.2"},
		{"t4", duration(&s.T4, 50*time.Millisecond, time.Minute), onRestart,
			"How long a message may stay in the network.", "rfc3261#17.1.2.2"},
	}}
}

func (c *Config) archiveSection() section {
	a := &c.Archive
	return section{"archive", "What accounts have said and heard, kept for all of their devices.", []field{
		{"default", oneOf(&a.Default, choice[ArchiveDefault]{"always", ArchiveAlways},
			choice[ArchiveDefault]{"roster", ArchiveRoster}, choice[ArchiveDefault]{"never", ArchiveNever}), onRestart,
			"What is kept of an account that has not said what it wants: all messages, those of its contacts, or none.", "xep0441#2"},
		{"retention", duration(&a.Retention, 0, 100*365*24*time.Hour), onRestart,
			"How long messages are kept; 0 keeps them for ever.", "xep0313#3"},
		{"page", integer{&a.Page, 10, 1000}, onRestart,
			"The most messages that an app gets at once when it asks for what was said.", "xep0313#4"},
	}}
}

func (c *Config) offlineSection() section {
	o := &c.Offline
	return section{"offline", "Messages for those who are not there.", []field{
		{"messages", integer{&o.Messages, 1, 1000000}, onRestart,
			"Messages that may wait for one account; the sender of a further one is told.", "xep0160#2"},
		{"bytes", size(&o.Bytes, 64<<10, 1<<30), onRestart, "What those messages may take together.", ""},
		{"keep", duration(&o.Keep, time.Hour, 10*365*24*time.Hour), onRestart, "How long they wait.", ""},
	}}
}

func (c *Config) registrarSection() section {
	r := &c.Registrar
	return section{"registrar", "What phones may register.", []field{
		{"min_expires", duration(&r.MinExpires, time.Second, 24*time.Hour), onReload,
			"The shortest registration; a shorter one is refused with 423.", "rfc3261#10.3"},
		{"default_expires", duration(&r.DefaultExpires, time.Second, 24*time.Hour), onReload,
			"The registration of a phone that doesn't say for how long.", "rfc3261#10.2.1.1"},
		{"max_expires", duration(&r.MaxExpires, time.Second, 30*24*time.Hour), onReload,
			"The longest registration; a longer one is shortened.", "rfc3261#10.3"},
		{"contacts", integer{&r.Contacts, 1, 1000}, onReload,
			"Contacts that one account may have registered at once.", ""},
	}}
}

func (c *Config) webSection() section {
	w := &c.Web
	return section{"web", "HTTPS: a page at /, SIP over WebSocket at /sip, XMPP at /xmpp.", []field{
		{"https", listeners(&w.HTTPS), onRestart, "Addresses for HTTPS and wss.", "rfc7118"},
		{"http", listeners(&w.HTTP), onRestart,
			"Addresses for HTTP and ws without TLS: for a reverse proxy on the same machine.", "rfc7118"},
		{"origins", origins(&w.Origins), onReload,
			"Origins of pages that may open a WebSocket, besides this server's own names.", "rfc6455#10.2"},
		{"page", boolean{&w.Page}, onRestart,
			"Whether there is a page at / to sign in, call and chat with; it works by the same protocols as everything else.", ""},
	}}
}

func (c *Config) tlsSection() section {
	t := &c.TLS
	return section{"tls", "The certificate of SIP over TLS and of HTTPS.", []field{
		{"certificate", path{&t.Certificate, `the name of a PEM file, or ""`}, onReload,
			"A PEM file with the certificate and its chain. Empty: the server makes a certificate of its own in the data folder.", "rfc5922"},
		{"key", path{&t.Key, `the name of a PEM file, or ""`}, onReload,
			"A PEM file with the certificate's private key.", ""},
		{"min_version", oneOf(&t.MinVersion,
			choice[TLSVersion]{"1.2", tls.VersionTLS12}, choice[TLSVersion]{"1.3", tls.VersionTLS13}), onRestart,
			"The oldest version of TLS that is spoken.", "rfc8996"},
	}}
}

func (c *Config) accountsSection() section {
	a := &c.Accounts
	return section{"accounts", "What accounts begin with, and what one may keep.", []field{
		{"strangers", boolean{&a.Strangers}, onReload,
			"Whether a new account takes calls from people without an account here; `parley user set` changes it for one.", ""},
		{"contacts", integer{&a.Contacts, 1, 100000}, onRestart, "Contacts on its list.", "rfc6121#2"},
		{"requests", integer{&a.Requests, 1, 100000}, onRestart,
			"People who are not on it, and wait to be told whether they may see the account.", "rfc6121#3.1.3"},
		{"blocked", integer{&a.Blocked, 1, 100000}, onRestart, "Addresses that it blocks.", "xep0191#3"},
		{"card", size(&a.Card, 1<<10, 192<<10), onRestart, "What its card may take, a picture included.", "xep0054#3"},
		{"devices", integer{&a.Devices, 1, 1000}, onRestart,
			"Devices that are signed in by a token; a further one takes the place of the one that was not used for longest, unless that is in use.", ""},
		{"device_unused", duration(&a.DeviceUnused, time.Hour, 10*365*24*time.Hour), onRestart,
			"How long a device stays signed in without being used.", ""},
	}}
}

func (c *Config) authSection() section {
	a := &c.Auth
	return section{"auth", "How users prove who they are, and what slows those who guess.", []field{
		{"nonce_lifetime", duration(&a.NonceLifetime, 10*time.Second, 24*time.Hour), onRestart,
			"How long a challenge may be answered.", "rfc7616#5.4"},
		{"free_tries", integer{&a.FreeTries, 1, 1000}, onReload,
			"Wrong passwords that one address may give for one account before it has to wait.", ""},
		{"first_delay", duration(&a.FirstDelay, 100*time.Millisecond, time.Hour), onReload,
			"The first wait; each further wrong password doubles it.", ""},
		{"max_delay", duration(&a.MaxDelay, 100*time.Millisecond, 24*time.Hour), onReload,
			"The longest wait.", ""},
		{"forget", duration(&a.Forget, time.Second, 7*24*time.Hour), onReload,
			"Wrong passwords are forgotten when none has come for this long.", ""},
		{"sha256_agents", agents(&a.SHA256Agents), onReload,
			"Phones that are offered SHA-256 besides MD5, told by how their User-Agent begins (case does not count). " +
				"Many others fail on two challenges, so they are offered MD5 alone.", "rfc8760#2.4"},
		{"md5_agents", agents(&a.MD5Agents), onReload,
			"Exceptions to sha256_agents: phones that are offered MD5 alone although that list has them.", ""},
	}}
}

func (c *Config) callsSection() section {
	x := &c.Calls
	return section{"calls", "How calls run.", []field{
		{"mode", oneOf(&x.Mode, choice[CallMode]{"auto", ModeAuto}, choice[CallMode]{"proxied", ModeProxied},
			choice[CallMode]{"back-to-back", ModeBackToBack}), onReload,
			"In which way calls run: proxied, their bodies untouched; back-to-back, both dialogs owned by the server; or auto, as each call needs.", ""},
		{"anchor", oneOf(&x.Anchor, choice[Anchor]{"never", AnchorNever}, choice[Anchor]{"nat", AnchorNAT},
			choice[Anchor]{"always", AnchorAlways}), onReload,
			"When a call's media passes through the server: never, when the ends can't talk directly (a side is behind a NAT without ICE, or they have different forms of media), or always.", ""},
		{"encryption", oneOf(&x.Encryption, choice[Encryption]{"as offered", EncryptionAsOffered},
			choice[Encryption]{"opportunistic", EncryptionOpportunistic}, choice[Encryption]{"required", EncryptionRequired}), onReload,
			"Whether media is encrypted: as offered, so that who offers RTP/SAVP is not connected to plain RTP; opportunistic, each leg as its phone can, " +
				"one that signs in over TLS being offered keys; or required, and no phone talks in plain RTP. A browser's media always is encrypted on its own leg.",
			"rfc8643, rfc4568"},
		{"transcode", boolean{&x.Transcode}, onReload,
			"Whether ends of a call without a common codec hear each other all the same, where media passes through the server. A call whose offer lacks G.711 passes through it for that, unless anchor is never.", ""},
		{"ring", duration(&x.Ring, 5*time.Second, 10*time.Minute), onReload,
			"How long phones ring before the call ends unanswered.", ""},
		{"timer_c", duration(&x.TimerC, 3*time.Minute+time.Second, time.Hour), onRestart,
			"A proxied INVITE without a final response is given up this long after its last provisional one.", "rfc3261#16.6"},
		{"max_duration", duration(&x.MaxDuration, time.Minute, 30*24*time.Hour), onReload,
			"A back-to-back call is ended after this long, one to the echo service after ten minutes at the latest.", ""},
		{"max_breadth", integer{&x.MaxBreadth, 1, 1000}, onRestart,
			"Phones that one call may ring at once.", "rfc5393#5.3.3"},
		{"drain", duration(&x.Drain, 0, time.Hour), onReload,
			"When the server is told to stop, running calls have this long to end; no new ones begin.", ""},
	}}
}

func (c *Config) mediaSection() section {
	m := &c.Media
	return section{"media", "Where the server's own RTP goes.", []field{
		{"address", ip(&m.Address), onRestart,
			"The local address for RTP; empty: one that SIP is told to listen on, or else one of this machine's, for IPv4 and IPv6 each.", ""},
		{"public_address", ip(&m.PublicAddress), onRestart,
			"What session descriptions show instead, behind a 1:1 NAT; empty: sip.public_address.", ""},
		{"ports", ports(&m.Ports), onRestart,
			"The UDP ports for RTP and RTCP: two for each stream of a call that passes through the server.", "rfc3550#11"},
		{"silence", duration(&m.Silence, 0, 24*time.Hour), onReload,
			"A call is ended when one of its phones, not on hold, has sent neither RTP nor RTCP through the server for this long; 0: never.", ""},
	}}
}

func (c *Config) presenceSection() section {
	p := &c.Presence
	return section{"presence", "What phones see of people, and say of themselves. Who may see whom is said by contact lists alone.", []field{
		{"min_expires", duration(&p.MinExpires, time.Second, time.Hour), onRestart,
			"The shortest time that a phone may subscribe or publish for; less gets 423.", "rfc6665#4.2.1.1"},
		{"max_expires", duration(&p.MaxExpires, time.Minute, 12*time.Hour), onRestart,
			"The longest time before it has to renew that.", ""},
		{"subscriptions", integer{&p.Subscriptions, 1, 10000}, onRestart,
			"How many people the phones of one account may watch at once, each phone counted.", ""},
		{"on_the_phone", boolean{&p.OnThePhone}, onReload,
			"Whether others see that somebody is in a call.", ""},
	}}
}

func (c *Config) echoSection() section {
	e := &c.Echo
	return section{"echo", "The echo service: it answers a call and plays one's voice back, and sends back what one writes to it.", []field{
		{"enabled", boolean{&e.Enabled}, onRestart, "Whether there is one, at each domain.", ""},
		{"name", name(&e.Name), onRestart, "The local part of its address.", ""},
		{"max_calls", integer{&e.MaxCalls, 1, 100000}, onReload,
			"Calls that it takes at once; a further one gets 486.", ""},
	}}
}

func (c *Config) contactSection() section {
	x := &c.Contact
	return section{"contact", "Where people of the server are reached. Apps and other operators can ask for it (XEP-0157).", []field{
		{"abuse", uris(&x.Abuse), onRestart, "For those who are harassed or spammed from here.", ""},
		{"admin", uris(&x.Admin), onRestart, "Who runs the server.", ""},
		{"security", uris(&x.Security), onRestart, "For those who have found a hole.", ""},
		{"support", uris(&x.Support), onRestart, "For those who need help.", ""},
	}}
}

func (c *Config) logSection() section {
	l := &c.Log
	return section{"log", "What is logged. The log goes to standard error.", []field{
		{"level", oneOf(&l.Level, choice[slog.Level]{"debug", slog.LevelDebug}, choice[slog.Level]{"info", slog.LevelInfo},
			choice[slog.Level]{"warn", slog.LevelWarn}, choice[slog.Level]{"error", slog.LevelError}), onReload,
			"The least severe lines that are written.", ""},
		{"format", oneOf(&l.Format, choice[LogFormat]{"text", LogText}, choice[LogFormat]{"json", LogJSON}), onRestart,
			"Lines of text, or one JSON object a line.", ""},
	}}
}
