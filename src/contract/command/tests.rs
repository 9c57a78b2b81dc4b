//! Of requests and answers, and of what else comes the same way.

use serde_json::json;

use proptest::prelude::*;
use uuid::Uuid;

use super::super::feedback::Feedback;
use super::super::inbound::{MAX_DEPTH, MAX_PAYLOAD_BYTES, Reason};
use super::super::tests::{at, check, validator, zone};
use super::*;

#[test]
fn answers_say_what_they_have_to() {
    let answer = |command: &str, status, detail: Option<&str>, result| {
        let (command, detail) = (command.to_owned(), detail.map(str::to_owned));
        json!(Response { command, status, at: SiteTime::new(at(0), &zone()), detail, result })
    };
    check("response", &answer("ping", Status::Ok, None, None));
    check("response", &answer("resync", Status::Ok, None, Some(json!({"messages": 7}))));
    let range = |from, to, reason| NotKept { from: Seq(from), to: Seq(to), reason };
    let not_kept = vec![
        range(4, 4, NotKeptReason::Superseded),
        range(5, 9, NotKeptReason::Expired),
        range(12, 12, NotKeptReason::Lost),
    ];
    let resent = Resent { messages: 7, not_kept: Some(not_kept), more: true };
    check("response", &answer("resync", Status::Ok, None, Some(json!(resent))));
    let resent = json!(Resent { messages: 7, ..Resent::default() });
    assert_eq!(resent, json!({"messages": 7}), "what was answered before there was more to say");
    check("response", &answer("resync", Status::Refused, Some("give either `since` or `since_seq`"), None));
    check("response", &answer("mute", Status::Unsupported, Some("not in this version"), None));
    let muted = json!({"muted": [{"kind": "dumping", "until": SiteTime::new(at(9), &zone())}]});
    check("response", &answer("mute", Status::Ok, None, Some(muted)));
    check("response", &answer("mute", Status::Ok, None, Some(json!({"muted": []}))));
    let profile = json!({"profile": "market-day", "until": SiteTime::new(at(9), &zone())});
    check("response", &answer("profile", Status::Ok, None, Some(profile)));
    check("response", &answer("profile", Status::Ok, None, Some(json!({"profile": "default"}))));
    let picture = json!({
        "topic": "grid/v1/330902/101/gw-0007/rsp/judge-1/picture", "media_type": "image/jpeg", "bytes": 40_000,
        "width": 1280, "height": 720, "sha256": "a".repeat(64), "captured_at": SiteTime::new(at(9), &zone()),
        "redaction": {"state": "applied", "persons": 2, "plates": 0},
    });
    check("response", &answer("snapshot", Status::Ok, None, Some(picture)));
    let wrong = [
        answer("resync", Status::Ok, None, None),
        answer("ping", Status::Ok, None, Some(json!({"messages": 7}))),
        answer("verify", Status::Failed, None, None),
        answer("resync", Status::Ok, None, Some(json!({"messages": 7, "more": true}))),
        answer("resync", Status::Ok, None, Some(json!({"messages": 7, "not_kept": [{"from": 1, "to": 2}]}))),
        answer("mute", Status::Ok, None, None),
    ];
    let validator = validator("response");
    for answer in wrong {
        assert!(!validator.is_valid(&answer), "{answer:#}");
    }
}

#[test]
fn commands_are_read_and_half_understood_ones_refused() {
    assert_eq!(Command::parse("ping", b""), Ok(Command::Ping));
    assert_eq!(Command::parse("resync", br#"{"since_seq":4}"#), Ok(Command::Resync(Since::Seq(4).into())));
    let camera = CameraId::new("cam-1").unwrap();
    assert_eq!(Command::parse("snapshot", br#"{"cam":"cam-1"}"#), Ok(Command::Snapshot { camera }));
    for (name, payload) in [
        ("ping", r#"{"shell":"x"}"#),
        ("resync", "{}"),
        ("resync", r#"{"since":"yesterday"}"#),
        ("resync", r#"{"since_seq":1,"since":"2026-11-22T00:00:00Z"}"#),
        ("resync", r#"{"since_seq":4,"until_seq":3}"#),
        ("resync", r#"{"since_seq":4,"until_seq":9007199254740992}"#),
        ("resync", r#"{"since_seq":4,"epoch":"mine"}"#),
        ("resync", r#"{"since":"2026-11-22T00:00:00Z","until_seq":3}"#),
        ("resync", r#"{"until_seq":3}"#),
        ("verify", r#"{"event_id":"../../etc"}"#),
        ("get-evidence", r#"{"event_id":"019ab4d2-7a10-7c3e-9b1d-5f0e8a6c2d41","id":"../e1"}"#),
        ("snapshot", r#"{"cam":"../cam"}"#),
        ("snapshot", "{}"),
        ("reboot", "{}"),
    ] {
        assert!(Command::parse(name, payload.as_bytes()).is_err(), "{name} {payload}");
    }
}

/// The schema and the parser refuse and accept the same.
#[test]
fn commands_are_described_as_they_are_read() {
    let schema: Value = serde_json::from_str(crate::contract::schema::document("command").unwrap()).unwrap();
    for name in Command::NAMES {
        let mut one = schema.clone();
        one["anyOf"] = json!([{ "$ref": format!("#/$defs/{name}") }]);
        let validator = jsonschema::options().should_validate_formats(true).build(&one).unwrap();
        for payload in [
            json!({}),
            json!({"cam": "c1"}),
            json!({"cam": "c1", "until": null}),
            json!({"cam": "c1", "kind": "dumping", "until": "2027-01-15T16:00:00+08:00", "reason": "道路施工"}),
            json!({"cam": "c1", "kind": "fire", "until": null}),
            json!({"cam": "c 1", "until": null}),
            json!({"cam": "c1", "until": null, "reason": ""}),
            json!({"name": "market-day", "until": "2027-01-15T16:00:00+08:00"}),
            json!({"name": "market-day"}),
            json!({"name": "default"}),
            json!({"name": "default", "until": "2027-01-15T16:00:00+08:00"}),
            json!({"since_seq": 4}),
            json!({"event_id": "019ab4d2-7a10-7c3e-9b1d-5f0e8a6c2d41"}),
            json!({"event_id": "019ab4d2-7a10-7c3e-9b1d-5f0e8a6c2d41", "id": "e1"}),
        ] {
            let read = Command::parse(name, payload.to_string().as_bytes());
            assert_eq!(validator.is_valid(&payload), read.is_ok(), "{name} {payload}: {read:?}");
        }
    }
}

#[test]
fn every_reason_has_a_name_of_its_own() {
    let names: std::collections::BTreeSet<_> = Reason::ALL.into_iter().map(Reason::name).collect();
    assert_eq!(names.len(), Reason::ALL.len());
    let mut limits = vec![b'['; MAX_DEPTH + 1];
    assert_eq!(Command::parse("resync", &limits).unwrap_err().reason(), Reason::TooDeep);
    limits.resize(MAX_PAYLOAD_BYTES + 1, b' ');
    assert_eq!(Command::parse("resync", &limits).unwrap_err().reason(), Reason::TooLarge);
    assert_eq!(Command::parse("ping", b"\xff\xfe").unwrap_err().reason(), Reason::Malformed);
    assert_eq!(Command::parse("reboot", b"").unwrap_err().reason(), Reason::UnknownName);
}

/// Something like a payload: JSON of the contract's own words, cut and spliced.
fn mangled() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "\\",
        "\\u0000",
        "\\ud800",
        "null",
        "1e999",
        "-0",
        "9007199254740992",
        "\"cam\"",
        "\"until\"",
        "\"kind\"",
        "\"name\"",
        "\"event_id\"",
        "\"since_seq\"",
        "\"reason\"",
        "\"dumping\"",
        "\"c1\"",
        "\"2027-01-15T16:00:00+08:00\"",
        "\"9999-12-31T23:59:60Z\"",
        "\"-009999-01-01T00:00:00Z\"",
        "\"019ab4d2-7a10-7c3e-9b1d-5f0e8a6c2d41\"",
        "\"data\"",
        "\"subject\"",
        "\u{202e}",
    ]);
    let piece = prop_oneof![
        4 => words.prop_map(|word| word.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    /// Whatever comes is understood or refused, in words that repeat nothing of it.
    #[test]
    fn any_bytes_are_answered(payload in prop_oneof![mangled(), prop::collection::vec(any::<u8>(), 0..300)], name in ".{0,12}") {
        let canary = "CANARY7f3a";
        let mut with_canary = payload.clone();
        with_canary.extend_from_slice(canary.as_bytes());
        for bytes in [&payload, &with_canary] {
            for name in Command::NAMES.into_iter().chain([name.as_str()]) {
                if let Err(refused) = Command::parse(name, bytes) {
                    prop_assert!(!refused.to_string().contains(canary), "{}", refused);
                    prop_assert!(Reason::ALL.contains(&refused.reason()));
                }
            }
            if let Err(refused) = Feedback::parse(bytes) {
                prop_assert!(!refused.to_string().contains(canary), "{}", refused);
            }
        }
    }

    /// The same within a payload that is otherwise right.
    #[test]
    fn any_text_in_a_field_is_answered(text in ".{0,300}") {
        for (name, payload) in [
            ("mute", json!({"cam": "c1", "until": null, "reason": text})),
            ("mute", json!({"cam": text, "until": text})),
            ("profile", json!({"name": text, "until": "2027-01-15T16:00:00Z"})),
            ("snapshot", json!({"cam": text})),
            ("get-evidence", json!({"event_id": Uuid::nil(), "id": text})),
        ] {
            let read = Command::parse(name, payload.to_string().as_bytes());
            if let Ok(Command::Mute(mute)) = read {
                prop_assert!(mute.reason.is_none_or(|reason| reason.chars().count() <= 200));
            }
        }
    }
}
