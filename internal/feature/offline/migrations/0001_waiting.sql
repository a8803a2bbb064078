-- Messages that no session has yet.
CREATE TABLE waiting (
	owner    TEXT    NOT NULL, -- the account's bare address
	id       BIGINT  NOT NULL,
	archived BOOLEAN NOT NULL, -- the owner's archive has it too
	stanza   TEXT    NOT NULL,
	PRIMARY KEY (owner, id)
);
