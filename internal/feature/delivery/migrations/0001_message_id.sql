-- One row: IDs of messages below the bound may have been used.
CREATE TABLE message_id (
	one   BIGINT NOT NULL PRIMARY KEY,
	bound BIGINT NOT NULL
);
