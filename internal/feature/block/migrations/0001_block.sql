CREATE TABLE block (
    owner TEXT   NOT NULL,
    jid   TEXT   NOT NULL,
    since BIGINT NOT NULL,
    PRIMARY KEY (owner, jid)
);
