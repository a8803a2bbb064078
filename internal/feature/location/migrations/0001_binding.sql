CREATE TABLE binding (
    local      TEXT    NOT NULL,
    domain     TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    contact    TEXT    NOT NULL,
    call_id    TEXT    NOT NULL,
    cseq       BIGINT  NOT NULL,
    q          BIGINT  NOT NULL,
    flow       TEXT    NOT NULL,
    network    TEXT    NOT NULL,
    source     TEXT    NOT NULL,
    nated      BOOLEAN NOT NULL,
    instance   TEXT    NOT NULL,
    reg_id     BIGINT  NOT NULL,
    user_agent TEXT    NOT NULL,
    path       TEXT    NOT NULL,
    since      BIGINT  NOT NULL,
    updated    BIGINT  NOT NULL,
    expires    BIGINT  NOT NULL,
    PRIMARY KEY (local, domain, key)
);

CREATE INDEX binding_expires ON binding (expires);
