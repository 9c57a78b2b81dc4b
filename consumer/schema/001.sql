-- What a township has been told. Applied by the consumer itself, in one transaction, into the schema `gridwatch`.
-- All times are timestamptz. A gateway is named `{county}/{town}/{gateway}`, as in its topics.

CREATE TABLE schema_version (
    version    integer PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- One row an incident: its highest revision.
CREATE TABLE event (
    event_id     uuid PRIMARY KEY,
    gateway      text NOT NULL,
    revision     bigint NOT NULL,
    phase        text NOT NULL,             -- opened, updated, closed
    close_reason text,                      -- camera_lost and view_changed mean: no longer known, not solved
    kind         text NOT NULL,
    subkind      text NOT NULL,
    severity     text NOT NULL,
    camera       text NOT NULL,
    village_code text NOT NULL,
    grid_code    text,
    zone         text NOT NULL,
    first_seen   timestamptz NOT NULL,
    last_seen    timestamptz NOT NULL,
    clock_synced boolean NOT NULL,          -- false: the times are the box's own and may be wrong
    score        double precision NOT NULL,
    test         boolean NOT NULL,          -- a simulated event: show it to nobody on duty
    body         jsonb NOT NULL,            -- the whole envelope
    feedback_seq bigint NOT NULL DEFAULT 0, -- last number used towards the gateway: see next_feedback_seq()
    stored_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX event_by_time ON event (last_seen);
CREATE INDEX event_by_village ON event (village_code, last_seen);

-- Every revision as it came, once.
CREATE TABLE event_revision (
    event_id     uuid NOT NULL REFERENCES event ON DELETE CASCADE,
    revision     bigint NOT NULL,
    gateway      text NOT NULL,
    sha256       text NOT NULL,             -- of the bytes that came; the same revision always has the same bytes
    body         jsonb NOT NULL,
    stored_at    timestamptz NOT NULL DEFAULT now(),
    stored_by    text NOT NULL,             -- client id of the consumer
    receipt_seq  bigint NOT NULL,           -- number of the receipt among our feedback on this event
    receipt_due_at timestamptz NOT NULL DEFAULT now() + interval '10 s', -- it is said again then
    receipted_at timestamptz,               -- the broker has the first receipt
    PRIMARY KEY (event_id, revision)
);
CREATE INDEX receipt_due ON event_revision (receipt_due_at) WHERE receipted_at IS NULL;

-- The life of a gateway's outbox, and what is being asked of it.
CREATE TABLE epoch (
    gateway       text NOT NULL,
    epoch         uuid NOT NULL,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at  timestamptz NOT NULL DEFAULT now(), -- a number of it arrived that was not there before
    ended_at      timestamptz,              -- another epoch of this gateway has begun: nobody can fill this one
    highest       bigint NOT NULL,          -- highest number that is known to exist
    complete_to   bigint NOT NULL DEFAULT 0, -- up to here every number is accounted for
    hole_since    timestamptz,              -- the lowest hole was noticed
    attempts      integer NOT NULL DEFAULT 0, -- `resync` sent for the lowest hole
    answered      integer NOT NULL DEFAULT 0, -- of these, answered
    asked_to      bigint,                   -- `highest` at the first of these
    next_ask_at   timestamptz NOT NULL DEFAULT '-infinity',
    PRIMARY KEY (gateway, epoch)
);

-- Numbers that have arrived.
CREATE TABLE number (
    gateway    text NOT NULL,
    epoch      uuid NOT NULL,
    seq        bigint NOT NULL,
    state      text NOT NULL,               -- stored; invalid: came, was not valid, is in quarantine
    event_id   uuid,
    revision   bigint,
    arrived_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (gateway, epoch, seq),
    FOREIGN KEY (gateway, epoch) REFERENCES epoch ON DELETE CASCADE
);

-- Numbers that will never arrive. One that arrives all the same counts as arrived.
CREATE TABLE gone (
    gateway  text NOT NULL,
    epoch    uuid NOT NULL,
    first    bigint NOT NULL,
    last     bigint NOT NULL,
    reason   text NOT NULL,                 -- the gateway's word: superseded, lost, quarantined, expired;
                                            -- ours: not_sent_again, epoch_ended
    noted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (gateway, epoch, first, last),
    FOREIGN KEY (gateway, epoch) REFERENCES epoch ON DELETE CASCADE
);

-- What events list as their pictures.
CREATE TABLE evidence (
    event_id    uuid NOT NULL REFERENCES event ON DELETE CASCADE,
    id          text NOT NULL,
    sha256      text NOT NULL,
    revision    bigint NOT NULL,            -- last one that listed it
    role        text NOT NULL,
    bytes       integer NOT NULL,
    width       integer NOT NULL,
    height      integer NOT NULL,
    captured_at timestamptz NOT NULL,
    state       text NOT NULL,              -- wanted, stored, gone (the gateway's word), not_sent_again,
                                            -- replaced (a later revision lists another one), expired
    detail      text,
    wanted_at   timestamptz NOT NULL DEFAULT now(),
    attempts    integer NOT NULL DEFAULT 0, -- `get-evidence` sent
    answered    integer NOT NULL DEFAULT 0, -- of these, answered
    next_ask_at timestamptz NOT NULL DEFAULT '-infinity',
    PRIMARY KEY (event_id, id, sha256)
);
CREATE INDEX evidence_wanted ON evidence (next_ask_at) WHERE state = 'wanted';

-- The pictures. One may come before its event: it waits here, not claimed.
CREATE TABLE picture (
    gateway   text NOT NULL,
    event_id  uuid NOT NULL,
    id        text NOT NULL,
    sha256    text NOT NULL,
    jpeg      bytea NOT NULL,
    claimed   boolean NOT NULL,             -- an event lists it, with this sha256
    stored_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (gateway, event_id, id, sha256)
);
CREATE INDEX picture_unclaimed ON picture (gateway, stored_at) WHERE NOT claimed;

-- What was asked of gateways, and what they answered. `id` is the Correlation Data.
CREATE TABLE command (
    id          uuid PRIMARY KEY,
    gateway     text NOT NULL,
    name        text NOT NULL,
    payload     jsonb NOT NULL,
    asked_by    text NOT NULL,
    asked_at    timestamptz NOT NULL DEFAULT now(),
    status      text,                       -- ok, refused, failed, unsupported; null: no answer
    detail      text,
    result      jsonb,
    answered_at timestamptz
);
CREATE INDEX command_by_time ON command (asked_at);

-- What came and is not valid. The bytes are not kept: they may hold what must not be kept.
CREATE TABLE quarantine (
    topic    text NOT NULL,
    sha256   text NOT NULL,
    bytes    bigint NOT NULL,
    reason   text NOT NULL,
    times    bigint NOT NULL DEFAULT 1,
    first_at timestamptz NOT NULL DEFAULT now(),
    last_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, sha256, reason)
);

-- Ranges of numbers above `complete_to` that have neither arrived nor been given up.
CREATE VIEW hole AS
WITH known AS (
    SELECT gateway, epoch, seq AS first, seq AS last FROM number
    UNION ALL
    SELECT gateway, epoch, first, last FROM gone
    UNION ALL
    SELECT gateway, epoch, highest + 1, highest + 1 FROM epoch
), ranked AS (
    SELECT known.gateway, known.epoch, known.first, complete_to, highest,
           max(known.last) OVER (PARTITION BY known.gateway, known.epoch ORDER BY known.first, known.last
                                 ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
    FROM known JOIN epoch USING (gateway, epoch)
    WHERE known.last > complete_to AND complete_to < highest
)
SELECT gateway, epoch, greatest(coalesce(before, 0), complete_to) + 1 AS first, least(first - 1, highest) AS last
FROM ranked WHERE first > greatest(coalesce(before, 0), complete_to) + 1;

-- The next number for a word to the gateway about this event. The highest wins there, so whoever sends verdicts
-- takes its numbers from here, as the receipts do.
CREATE FUNCTION next_feedback_seq(of_event uuid) RETURNS bigint LANGUAGE sql SET search_path = gridwatch AS
'UPDATE event SET feedback_seq = feedback_seq + 1 WHERE event_id = of_event RETURNING feedback_seq';
