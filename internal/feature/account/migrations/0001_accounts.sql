-- Keys are as keys.go says; one that is missing is NULL.
CREATE TABLE account (
	domain          TEXT    NOT NULL,
	local           TEXT    NOT NULL,
	created         BIGINT  NOT NULL,
	strangers       BOOLEAN NOT NULL,
	scram_sha_1     BYTEA,
	scram_sha_256   BYTEA,
	ha1_md5         BYTEA,
	ha1_sha256      BYTEA,
	ha1_md5_full    BYTEA,
	ha1_sha256_full BYTEA,
	PRIMARY KEY (domain, local)
);

-- What an import has read so far; empty when none runs.
CREATE TABLE account_import (
	domain          TEXT    NOT NULL,
	local           TEXT    NOT NULL,
	line            BIGINT  NOT NULL,
	strangers       BOOLEAN NOT NULL,
	scram_sha_1     BYTEA,
	scram_sha_256   BYTEA,
	ha1_md5         BYTEA,
	ha1_sha256      BYTEA,
	ha1_md5_full    BYTEA,
	ha1_sha256_full BYTEA,
	PRIMARY KEY (domain, local)
);

-- A sample sealed under the server's key, by which a wrong key is noticed at the start.
CREATE TABLE account_seal (
	id     BIGINT NOT NULL PRIMARY KEY,
	sample BYTEA  NOT NULL
);
