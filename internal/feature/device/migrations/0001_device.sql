CREATE TABLE device (
    id      TEXT   NOT NULL PRIMARY KEY,
    domain  TEXT   NOT NULL,
    local   TEXT   NOT NULL,
    name    TEXT   NOT NULL,
    kind    TEXT   NOT NULL,
    hash    BYTEA  NOT NULL,
    source  TEXT   NOT NULL,
    created BIGINT NOT NULL,
    used    BIGINT NOT NULL
);

CREATE INDEX device_account ON device (domain, local);
CREATE INDEX device_used ON device (used);
