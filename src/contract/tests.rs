//! Tests of the contract against its published descriptions.

use jiff::tz::TimeZone;
use jsonschema::Validator;
use serde_json::{Value, json};
use uuid::Uuid;

use super::camera_state::{CameraCondition, CameraState, MutedKind};
use super::catalogue::Catalogue;
use super::command::{Command, Resync, Since};
use super::feedback::{CaseState, Feedback};
use super::grid_event::*;
use super::inbound::Refused;
use super::info::{CameraNote, InferenceNote, Info};
use super::metrics::{Accounting, AuditHead, Metrics};
use super::schema::document;
use super::sequence::{Epoch, GoneRange, GoneReason, Seq, Stamp};
use super::state::{GatewayState, SafeModeNote};
use super::time::SiteTime;
use super::topics::{Channel, TopicError, Topics};
use crate::domain::Timestamp;
use crate::domain::camera::CameraId;
use crate::domain::detection::Role;
use crate::domain::geometry::BoundingBox;
use crate::domain::incident::*;

const EVENT: Uuid = Uuid::from_u128(0x019a_b4d2_7a10_7c3e_9b1d_5f0e_8a6c_2d41);
const EXAMPLE: &str = include_str!("../../contract/examples/event-opened.json");
const FEEDBACK: &str = include_str!("../../contract/examples/feedback.json");

pub(super) fn validator(name: &str) -> Validator {
    let parse = |name| serde_json::from_str::<Value>(document(name).unwrap()).unwrap();
    let registry = jsonschema::Registry::new().add("urn:gridwatch:schema:grid-event:1", parse("event")).unwrap();
    let registry = registry.prepare().unwrap();
    jsonschema::options().with_registry(&registry).should_validate_formats(true).build(&parse(name)).unwrap()
}

pub(super) fn check(name: &str, value: &Value) {
    let errors: Vec<_> = validator(name).iter_errors(value).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{name}: {errors:#?}\n{value:#}");
}

fn topics() -> Topics {
    Topics::new("grid/v1", "330902", "101", "gw-0007").unwrap()
}

pub(super) fn zone() -> TimeZone {
    TimeZone::fixed(jiff::tz::offset(8))
}

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_millisecond(1_795_347_339_200 + second * 1000).unwrap()
}

pub(super) fn step(kind: Kind) -> IncidentTransition {
    let (subkind, measure) = match kind {
        Kind::Encroachment => {
            ("street_occupation", Measure::Occupation { objects: 2, attendants: 1, occupied_ratio: 0.34 })
        }
        Kind::Dumping => ("muck_pile", Measure::GroundChange { changed_ratio: 0.2, act_seen: true }),
        Kind::Crowding => ("crowd", Measure::Crowd { standing: 23, present: 51, density: Some(1.4) }),
    };
    let bbox = BoundingBox { left: 0.1, top: 0.2, width: 0.3, height: 0.4 };
    IncidentTransition {
        event_id: EVENT,
        revision: 1,
        phase: Phase::Opened,
        kind,
        subkind: subkind.to_owned(),
        zone: "z1".to_owned(),
        rule: "r1".to_owned(),
        at: at(180),
        first_seen: at(0),
        confirmed: at(180),
        last_seen: at(180),
        cleared: None,
        measure,
        score: 0.87,
        frames_hit: 41,
        frames_seen: 46,
        boxes: vec![LabelledBox { role: Role::Stall, score: 0.91, bbox }],
        evidence: Vec::new(),
        exceptions_checked: vec!["permit_window".to_owned()],
        related: None,
        verification: None,
    }
}

const SHA256: &str = "0b7d3c5e9a1f2b4c6d8e0f1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e";

pub(super) fn picture(transport: Transport) -> EvidenceEntry {
    EvidenceEntry {
        id: "e1".to_owned(),
        role: EvidenceRole::Before,
        bytes: 121_044,
        width: 1280,
        height: 720,
        sha256: SHA256.to_owned(),
        captured_at: at(0),
        redaction: Redaction { state: RedactionState::Applied, persons: 5, plates: Some(1) },
        transport,
    }
}

fn built(step: &IncidentTransition, transport: Transport) -> Value {
    built_with(step, &[picture(transport)])
}

pub(super) fn built_with(step: &IncidentTransition, evidence: &[EvidenceEntry]) -> Value {
    let (topics, catalogue, time_zone) = (topics(), Catalogue::built_in(), zone());
    let place = PlaceNote {
        village_code: "330902101203".to_owned(),
        grid_code: Some("330902101203004".to_owned()),
        address: Some("老街北口".to_owned()),
        point: Some((122.08713, 30.11024)),
    };
    let context = EventContext {
        topics: &topics,
        time_zone: &time_zone,
        catalogue: &catalogue,
        camera: ("cam-012", Some("北口"), Some("33090210081326000012")),
        place: &place,
        zone_name: Some("人行道"),
        rule_version: "7",
        dwell_s: 180,
        bands: &[10, 20, 50],
        model: ModelNote { name: "street-det-n".to_owned(), version: "0.4.1".to_owned(), sha256: SHA256.to_owned() },
        clock: ClockNote { synced: true, offset_ms: -12, boot_id: "c0a8f2d4".to_owned(), uptime_ms: 86_400_123 },
        config_sha256: SHA256,
        evidence,
        test: false,
    };
    let gone = vec![GoneRange { from: Seq(3), to: Seq(4), reason: GoneReason::Superseded }];
    let stamp = Stamp { epoch: Epoch(Uuid::from_u128(1)), seq: Seq(5), gone };
    serde_json::from_slice(&GridEvent::new(step, &context).to_bytes(&stamp)).unwrap()
}

#[test]
fn every_event_built_is_valid() {
    for kind in Kind::ALL {
        for transport in [Transport::Mqtt, Transport::Spool, Transport::Gone] {
            let mut step = step(kind);
            check("envelope", &built(&step, transport));
            (step.revision, step.phase, step.related) = (2, Phase::Updated, Some(Uuid::from_u128(EVENT.as_u128() + 1)));
            let result = VerificationResult::StillPresent;
            step.verification = Some(Verification { result, checked_at: at(9), feedback_seq: Some(3) });
            check("envelope", &built(&step, transport));
            (step.revision, step.phase, step.cleared) = (3, Phase::Closed(CloseReason::Cleared), Some(at(300)));
            check("envelope", &built(&step, transport));
        }
    }
}

#[test]
fn times_carry_milliseconds_and_the_sites_offset() {
    assert_eq!(
        built(&step(Kind::Dumping), Transport::Mqtt)["data"]["times"]["first_seen"],
        "2026-11-22T19:35:39.200+08:00"
    );
    assert_eq!(SiteTime::new(Timestamp::UNIX_EPOCH, &zone()).as_str(), "1970-01-01T08:00:00.000+08:00");
}

#[test]
fn crowding_tells_bands_and_draws_nobody() {
    let event = built(&step(Kind::Crowding), Transport::Mqtt);
    let expected = json!({"standing_band": "20-49", "present_band": "50+", "density_band": "1-2"});
    assert_eq!(event["data"]["measure"], expected);
    assert_eq!(event["data"].get("boxes"), None);
    assert_eq!(event["data"]["evidence"][0]["redaction"], json!({"state": "applied"}));
}

#[test]
fn the_examples_are_valid() {
    let example: Value = serde_json::from_str(EXAMPLE).unwrap();
    check("envelope", &example);
    check("envelope", &serde_json::from_str(include_str!("../../contract/examples/event-signed.json")).unwrap());
    assert_eq!(example, built(&step(Kind::Encroachment), Transport::Mqtt));
    check("feedback", &serde_json::from_str(FEEDBACK).unwrap());
    let resync = include_str!("../../contract/examples/command-resync.json");
    check("command", &serde_json::from_str(resync).unwrap());
    let resync = Command::parse("resync", resync.as_bytes());
    assert!(matches!(resync, Ok(Command::Resync(Resync { since: Since::Time(_), until: None, epoch: None }))));
    let hole = include_str!("../../contract/examples/command-resync-hole.json");
    check("command", &serde_json::from_str(hole).unwrap());
    let asked = Resync { since: Since::Seq(17), until: Some(21), epoch: Some(Epoch(EVENT)) };
    assert_eq!(Command::parse("resync", hole.as_bytes()), Ok(Command::Resync(asked)));
    for example in [
        include_str!("../../contract/examples/response-resync-hole.json"),
        include_str!("../../contract/examples/response-snapshot.json"),
    ] {
        check("response", &serde_json::from_str(example).unwrap());
    }
    for (name, example) in [
        ("mute", include_str!("../../contract/examples/command-mute.json")),
        ("profile", include_str!("../../contract/examples/command-profile.json")),
    ] {
        check("command", &serde_json::from_str(example).unwrap());
        assert!(Command::parse(name, example.as_bytes()).is_ok(), "{name}");
    }
}

#[test]
fn bad_events_are_refused() {
    let good: Value = serde_json::from_str(EXAMPLE).unwrap();
    let validator = validator("envelope");
    let changes: [(&str, &str, Value); 18] = [
        ("/data", "person_name", json!("x")),
        ("/data/evidence/0", "face", json!([0.1])),
        ("/data/camera", "person", json!({})),
        ("/data/model", "name", json!(7)),
        ("/data", "phase", json!("updated")),
        ("/data", "close_reason", json!("cleared")),
        ("/data", "revision", json!(2)),
        ("/data/evidence/0/delivery", "topic", Value::Null),
        ("/data/evidence/0", "bytes", json!(262_145)),
        ("/data/evidence/0", "role", json!("portrait")),
        ("/data/boxes/0", "box", json!([0.1, 0.2, 0.3])),
        ("/data/boxes/0", "box", json!([10, 0.2, 0.3, 0.4])),
        ("/data/times", "first_seen", json!("2026-02-30T10:00:00.000+08:00")),
        ("/data/times", "first_seen", json!("2026-02-20T10:00:00.000")),
        ("/data/sequence", "seq", json!(0)),
        ("/data/sequence", "epoch", json!("x")),
        ("/data/config", "sha256", json!("x")),
        ("", "type", json!("gridwatch.event.closed.v1")),
    ];
    for (path, key, value) in changes {
        let mut bad = good.clone();
        bad.pointer_mut(path).unwrap()[key] = value;
        assert!(!validator.is_valid(&bad), "{path}/{key} was accepted");
    }
    for (path, key) in [("/data", "sequence"), ("/data", "config"), ("/data/evidence/0/delivery", "topic")] {
        let mut bad = good.clone();
        bad.pointer_mut(path).unwrap().as_object_mut().unwrap().remove(key);
        assert!(!validator.is_valid(&bad), "{path} without {key} was accepted");
    }
    let mut drawn = built(&step(Kind::Crowding), Transport::Mqtt);
    drawn["data"]["boxes"] = good["data"]["boxes"].clone();
    assert!(!validator.is_valid(&drawn), "crowding with boxes");
}

#[test]
fn every_other_message_is_valid() {
    let now = SiteTime::new(at(0), &zone());
    let text = str::to_owned;
    let (session, boot_id, version) = (text("s"), text("b"), text("0.1.0"));
    let mut state = GatewayState { online: true, session, boot_id, at: now.clone(), version, safe_mode: None };
    check("state", &json!(state));
    state.safe_mode = Some(SafeModeNote { since: now.clone(), reason: text("it crashed 5 times in 10 minutes") });
    check("state", &json!(state));
    check("state", &json!(state.will()));
    assert!(!state.will().online);
    let camera = CameraNote { id: text("c1"), name: None, gb_device_id: None, kinds: Kind::ALL.to_vec() };
    let signing = serde_json::from_str(include_str!("../../contract/examples/info-signing.json")).unwrap();
    let inference = InferenceNote { runtime: text("onnxruntime"), version: text("1.26"), provider: text("cpu") };
    check(
        "info",
        &json!(Info {
            version: text("0.1.0"),
            at: now.clone(),
            inference,
            models: vec![ModelNote { name: text("m"), version: text("1"), sha256: "a".repeat(64) }],
            cameras: vec![camera],
            rule_profile: text("market-day"),
            rule_profile_until: Some(now.clone()),
            profiles: vec![text("market-day")],
            catalogue_version: Catalogue::built_in().version,
            config_sha256: "b".repeat(64),
            signing: Some(signing),
        }),
    );
    let state = CameraCondition::AuthFailed;
    let (last_frame_at, codec, size) = (Some(now.clone()), Some(text("h264")), Some([1920, 1080]));
    let (keyframe_s, analysed_pct_1h) = (Some(2.0), Some(99.5));
    let since = now.clone();
    let muted = vec![MutedKind { kind: Kind::Dumping, until: now.clone() }];
    check(
        "camera-state",
        &json!(CameraState { state, since, last_frame_at, codec, size, keyframe_s, muted, analysed_pct_1h }),
    );
    let outbox = Accounting { produced: 3, acknowledged: 1, pending: 2, ..Accounting::default() };
    assert!(outbox.balances());
    check(
        "metrics",
        &json!(Metrics {
            at: now.clone(),
            uptime_s: 1,
            epoch: Epoch(Uuid::from_u128(1)),
            last_seq: 3,
            outbox,
            lost: [(text("evidence_quota"), 2)].into(),
            audit: AuditHead { number: 7, sha256: "c".repeat(64) },
            counters: [(text("looks"), 9)].into(),
        }),
    );
}

#[test]
fn feedback_is_read_with_fields_it_does_not_know() {
    let mut value: Value = serde_json::from_str(FEEDBACK).unwrap();
    value["data"]["mood"] = json!({"of": ["the", "platform"]});
    let feedback = Feedback::parse(value.to_string().as_bytes()).unwrap();
    assert_eq!((feedback.event_id, feedback.seq, feedback.state), (EVENT, 2, CaseState::Handled));
    assert!(feedback.verify_on_handled);
}

#[test]
fn hostile_feedback_is_refused_without_its_content() {
    let good: Value = serde_json::from_str(FEEDBACK).unwrap();
    let parse = |path: &str, key: &str, value: Value| {
        let mut bad = good.clone();
        bad.pointer_mut(path).unwrap()[key] = value;
        Feedback::parse(bad.to_string().as_bytes()).expect_err(key)
    };
    assert!(matches!(parse("/data", "pad", json!("x".repeat(17_000))), Refused::TooLarge(_)));
    assert!(matches!(Feedback::parse("[".repeat(17).as_bytes()), Err(Refused::TooDeep)));
    assert!(matches!(Feedback::parse(&[b'['; 16_000]), Err(Refused::TooDeep)));
    for value in [json!("2"), json!(-1), json!(2.5), json!(1_u64 << 60), Value::Null] {
        parse("/data", "seq", value);
    }
    assert!(!parse("/data", "state", json!("secret-canary")).to_string().contains("canary"));
    parse("", "subject", json!(Uuid::from_u128(1)));
    parse("", "type", json!("other"));
    parse("/data", "reason_code", json!("line\nbreak"));
    parse("/data", "case_no", json!("x".repeat(65)));
    parse("/data", "revision_seen", json!(0));
    assert!(Feedback::parse(b"\xff\xfe").is_err());
}

#[test]
fn topics_are_read_back_and_described() {
    let topics = topics();
    let described = document("asyncapi").unwrap();
    let addresses: Vec<Vec<&str>> = described
        .lines()
        .filter_map(|line| line.trim().strip_prefix("address: "))
        .map(|address| address.split('/').collect())
        .collect();
    let channels = [
        Channel::State,
        Channel::Info,
        Channel::CameraState(CameraId::new("cam-1").unwrap()),
        Channel::Metrics,
        Channel::Event(Kind::Dumping),
        Channel::Evidence { event_id: EVENT, id: "e1".to_owned() },
        Channel::Response("tool-1".to_owned()),
        Channel::Feedback,
        Channel::Command("ping".to_owned()),
    ];
    assert_eq!(addresses.len(), channels.len());
    for channel in channels {
        let topic = topics.of(&channel);
        assert_eq!(topics.parse(&topic), Some(channel.clone()));
        let levels: Vec<&str> = topic.split('/').collect();
        let fits = |address: &&Vec<&str>| {
            address.len() == levels.len() && address.iter().zip(&levels).all(|(a, l)| a == l || a.starts_with('{'))
        };
        assert_eq!(addresses.iter().filter(fits).count(), 1, "{topic}");
        assert!(described.contains(channel.content_type()));
    }
    assert!(topics.owns_response("grid/v1/330902/101/gw-0007/rsp/a/b"));
    for foreign in
        ["grid/v1/330902/101/gw-0008/rsp/a", "grid/v1/330902/101/gw-0007/state", "grid/v1/330902/101/gw-0007/rsp/"]
    {
        assert!(!topics.owns_response(foreign), "{foreign}");
    }
}

#[test]
fn names_that_would_collide_are_refused() {
    let new = |root, gateway| Topics::new(root, "330902", "101", gateway);
    for reserved in ["township", "county", "gw-1-rx"] {
        assert!(matches!(new("grid/v1", reserved), Err(TopicError::Reserved(_))), "{reserved}");
    }
    for illegal in ["", "+", "#", "gw/1", "101", "Gw", "gw 1"] {
        assert!(matches!(new("grid/v1", illegal), Err(TopicError::Gateway(_))), "{illegal}");
    }
    for root in ["", "/grid", "grid//v1", "$share/x", "grid/+"] {
        assert!(matches!(new(root, "gw-1"), Err(TopicError::Root(_))), "{root}");
    }
}

#[test]
fn the_built_in_catalogue_covers_every_subkind() {
    let catalogue = Catalogue::built_in();
    let known = [
        (Kind::Encroachment, "street_occupation"),
        (Kind::Encroachment, "out_of_store"),
        (Kind::Encroachment, "roaming_vendor"),
        (Kind::Dumping, "muck_pile"),
        (Kind::Dumping, "exposed_garbage"),
        (Kind::Crowding, "crowd"),
    ];
    for (kind, subkind) in known {
        assert!(catalogue.entry(kind, subkind).is_some(), "{subkind}");
    }
    assert_eq!(catalogue.classify(Kind::Dumping, "unheard_of").0.len(), 1);
    assert!(catalogue.status.contains("unconfirmed"));
    assert!(Catalogue::parse("version='1'\nstatus='x'\ncolour='red'\nentry=[]").is_err());
}
