-- What accounts have sent and received, in the order of IDs.
CREATE TABLE archive_message (
	owner    TEXT    NOT NULL, -- the account's bare address
	id       BIGINT  NOT NULL,
	peer     TEXT    NOT NULL, -- who it came from or went to: the bare address
	resource TEXT    NOT NULL, -- and the resource
	origin   TEXT    NOT NULL, -- the origin-id of what the account has sent, or ''
	stanza   TEXT    NOT NULL,
	PRIMARY KEY (owner, id)
);
CREATE INDEX archive_message_peer ON archive_message (owner, peer, id);
CREATE INDEX archive_message_origin ON archive_message (owner, origin, id) WHERE origin <> '';

-- What an account wants archived, as XEP-0441 writes it.
CREATE TABLE archive_prefs (
	owner TEXT NOT NULL PRIMARY KEY,
	prefs TEXT NOT NULL
);
