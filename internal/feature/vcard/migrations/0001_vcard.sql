CREATE TABLE vcard (
    owner   TEXT   NOT NULL PRIMARY KEY,
    xml     TEXT   NOT NULL,
    updated BIGINT NOT NULL
);
