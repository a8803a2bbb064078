CREATE TABLE roster_item (
    local        TEXT    NOT NULL,
    domain       TEXT    NOT NULL,
    contact      TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    groups       TEXT    NOT NULL,
    subscription TEXT    NOT NULL,
    asking       BOOLEAN NOT NULL,
    asked        BOOLEAN NOT NULL,
    approved     BOOLEAN NOT NULL,
    listed       BOOLEAN NOT NULL,
    version      BIGINT  NOT NULL,
    request      TEXT    NOT NULL,
    PRIMARY KEY (domain, local, contact)
);

CREATE TABLE roster_removed (
    local   TEXT   NOT NULL,
    domain  TEXT   NOT NULL,
    contact TEXT   NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (domain, local, contact)
);

CREATE TABLE roster_version (
    local   TEXT   NOT NULL,
    domain  TEXT   NOT NULL,
    version BIGINT NOT NULL,
    oldest  BIGINT NOT NULL,
    PRIMARY KEY (domain, local)
);
