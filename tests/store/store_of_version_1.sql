-- A store of version 1, as written by the release that introduced it.
pragma application_id = 0x44415253;
pragma user_version = 1;
CREATE TABLE backends (
    id integer primary key,
    model text not null,
    settings text not null,
    unique (model, settings)
);
INSERT INTO "backends" VALUES(1,'m','{"temperature": 0.7}');
CREATE TABLE cells (
    collection integer not null references collections,
    model integer not null,
    row integer not null,
    paraphrase integer not null,
    request integer not null references requests,
    primary key (collection, model, row, paraphrase)
) without rowid;
INSERT INTO "cells" VALUES(1,0,0,0,1);
INSERT INTO "cells" VALUES(1,0,1,0,2);
CREATE TABLE claims (
    request integer primary key references requests,
    owner text not null
);
INSERT INTO "claims" VALUES(2,'host:1:1');
CREATE TABLE collections (
    id integer primary key,
    key blob not null unique,
    n_samples integer not null,
    models text not null,
    updated real not null
);
INSERT INTO "collections" VALUES(1,X'C2BF24123DEC0000F1C8ACB44E7318C7',2,'["m"]',1.79557509505589771268e+09);
CREATE TABLE grades (
    request integer not null references requests,
    sample integer not null,
    grading blob not null,
    score real,
    error text,
    primary key (request, sample, grading)
) without rowid;
INSERT INTO "grades" VALUES(1,0,X'67',1.0,NULL);
INSERT INTO "grades" VALUES(1,1,X'67',1.0,NULL);
INSERT INTO "grades" VALUES(2,0,X'68',0.0,NULL);
CREATE TABLE owners (owner text primary key, alive_until real not null) without rowid;
INSERT INTO "owners" VALUES('host:1:1',9000000000.0);
CREATE TABLE queries (
    collection integer not null references collections,
    row integer not null,
    query text not null,
    reference text,
    grading blob not null,
    primary key (collection, row)
) without rowid;
INSERT INTO "queries" VALUES(1,0,'red','"red"',X'67');
INSERT INTO "queries" VALUES(1,1,'blue',NULL,X'68');
CREATE TABLE requests (
    id integer primary key,
    key blob not null unique,
    backend integer not null references backends,
    prompt text not null,
    error text
);
INSERT INTO "requests" VALUES(1,X'01010101010101010101010101010101',1,'red',NULL);
INSERT INTO "requests" VALUES(2,X'02020202020202020202020202020202',1,'blue','RuntimeError: out of order');
CREATE TABLE samples (
    request integer not null references requests,
    sample integer not null,
    response text not null,
    input_tokens integer,
    output_tokens integer,
    cost real,
    spent real,
    latency real,
    finish_reason text,
    primary key (request, sample)
);
INSERT INTO "samples" VALUES(1,0,'red',3,4,2.0,2.0,0.25,'stop');
INSERT INTO "samples" VALUES(1,1,'red',3,4,2.0,3.5,0.25,'stop');
INSERT INTO "samples" VALUES(2,0,'green',NULL,NULL,NULL,NULL,NULL,NULL);
