-- A store as the versions before the audit left it, with one delivered and one waiting picture.
PRAGMA application_id = 1196573783;
PRAGMA user_version = 1;
PRAGMA journal_mode = WAL;

CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE counter(name TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE loss(reason TEXT, class INTEGER, n INTEGER NOT NULL, first_ms INTEGER, last_ms INTEGER,
  PRIMARY KEY(reason, class)) WITHOUT ROWID;
CREATE TABLE event(event_id BLOB PRIMARY KEY, camera TEXT NOT NULL, revision INTEGER NOT NULL,
  closed INTEGER NOT NULL, touched_ms INTEGER NOT NULL, feedback_seq INTEGER, feedback TEXT,
  published INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE transition(event_id BLOB REFERENCES event ON DELETE CASCADE, revision INTEGER,
  body TEXT NOT NULL, PRIMARY KEY(event_id, revision)) WITHOUT ROWID;
CREATE TABLE unapplied(event_id BLOB PRIMARY KEY REFERENCES event ON DELETE CASCADE, seq INTEGER NOT NULL,
  body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE picture(id INTEGER PRIMARY KEY AUTOINCREMENT, bytes INTEGER NOT NULL, width INTEGER NOT NULL,
  height INTEGER NOT NULL, sha256 TEXT NOT NULL, redaction TEXT NOT NULL, captured_ms INTEGER NOT NULL,
  present INTEGER NOT NULL DEFAULT 1);
CREATE TABLE snapshot(camera TEXT, snapshot INTEGER, picture INTEGER NOT NULL REFERENCES picture,
  PRIMARY KEY(camera, snapshot)) WITHOUT ROWID;
CREATE TABLE evidence(id INTEGER PRIMARY KEY, event_id BLOB NOT NULL REFERENCES event ON DELETE CASCADE,
  name TEXT NOT NULL, role TEXT NOT NULL, picture INTEGER NOT NULL REFERENCES picture,
  topic TEXT NOT NULL, enqueued INTEGER NOT NULL DEFAULT 0, UNIQUE(event_id, name));
CREATE INDEX evidence_picture ON evidence(picture);
CREATE INDEX snapshot_picture ON snapshot(picture);
CREATE TABLE garbage(picture INTEGER PRIMARY KEY);
CREATE TABLE outbox(id INTEGER PRIMARY KEY AUTOINCREMENT, seq INTEGER UNIQUE, event_id BLOB NOT NULL,
  revision INTEGER, class INTEGER NOT NULL, topic TEXT NOT NULL, content_type TEXT NOT NULL, body BLOB,
  evidence INTEGER UNIQUE REFERENCES evidence, created_ms INTEGER NOT NULL,
  state INTEGER NOT NULL DEFAULT 0,      -- 0 pending, 1 awaiting receipt, 2 released, 3 quarantined
  acked INTEGER NOT NULL DEFAULT 0,      -- was released once
  sends INTEGER NOT NULL DEFAULT 0, due_ms INTEGER, reason TEXT);
CREATE INDEX outbox_lane ON outbox(state, class, id);
CREATE INDEX outbox_event ON outbox(event_id, revision);
CREATE TABLE gone(first INTEGER PRIMARY KEY, last INTEGER NOT NULL, reason TEXT NOT NULL, told INTEGER);
CREATE TABLE analyzer(camera TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE auth_stop(host TEXT, account TEXT, fingerprint TEXT NOT NULL, failures INTEGER NOT NULL,
  at_ms INTEGER NOT NULL, PRIMARY KEY(host, account, fingerprint)) WITHOUT ROWID;
INSERT INTO meta VALUES('epoch', '019ab4d2-7a10-7c3e-9b1d-5f0e8a6c2d41');
INSERT INTO counter VALUES('produced', 4), ('seq', 2);
INSERT INTO event VALUES(x'00000000000070000000000000000001', 'cam-1', 1, 0, 1800000000000, NULL, NULL, 1);
INSERT INTO event VALUES(x'00000000000070000000000000000002', 'cam-1', 1, 0, 1800000000000, NULL, NULL, 1);
