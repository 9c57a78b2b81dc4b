use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use super::*;
use crate::contract::signature::{KEY_ID, SIGNATURE, Signer, SigningNote, signed_bytes};

const GATEWAY: &str = "urn:gridwatch:330902101:gw-0007";
const NOON: &str = "2026-11-28T12:00:00.000+08:00";
const LATER: &str = "2026-11-29T12:00:00.000+08:00";

fn signed(keys: &SigningKeys, mut event: Value) -> Value {
    let signature = keys.sign(&|key_id| {
        let mut named = event.clone();
        named[KEY_ID] = key_id.into();
        signed_bytes(&named)
    });
    event[KEY_ID] = signature.key_id.into();
    event[SIGNATURE] = signature.value.into();
    event
}

fn event() -> Value {
    json!({"source": GATEWAY, "id": "x.1", "data": {"score": 0.5, "place": "北口"}})
}

fn first_key(note: &SigningNote) -> PublicKey {
    PublicKey::parse(&note.keys[0].public_key).unwrap()
}

#[test]
fn the_key_is_made_once_for_its_owner_alone_and_signs_the_same_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(SigningKeys::open(folder.path()), Err(KeyError::Missing(_))));
    let keys = SigningKeys::open_or_make(folder.path(), GATEWAY, NOON).unwrap();
    let note = keys.note();
    let mode = |path: std::path::PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder.path().join("keys")), 0o700);
    assert_eq!(mode(folder.path().join(format!("keys/{}.pem", note.current))), 0o600);
    let again = SigningKeys::open_or_make(folder.path(), GATEWAY, LATER).unwrap();
    assert_eq!(again.note(), note);
    assert_eq!(signed(&keys, event()), signed(&again, event()));
    assert!(!format!("{keys:?}").contains(&note.keys[0].public_key), "nothing of keys is printed");
}

#[test]
fn what_was_changed_or_signed_by_others_is_found() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [ours, theirs] = folders.each_ref().map(|f| SigningKeys::open_or_make(f.path(), GATEWAY, NOON).unwrap());
    let anchor = Anchor::info(&ours.note()).unwrap();
    let good = signed(&ours, event());
    assert!(matches!(verify(&good, &anchor), Verdict::Good { told: Some(_), .. }));
    // Other bytes of the same event: as a database gives it back.
    let kept: Value = serde_json::from_str(&serde_json::to_string_pretty(&good).unwrap()).unwrap();
    assert!(matches!(verify(&kept, &anchor), Verdict::Good { .. }));
    for (path, to) in [("/data/score", json!(0.6)), ("/data/place", json!("南口")), ("/id", json!("x.2"))] {
        let mut changed = good.clone();
        *changed.pointer_mut(path).unwrap() = to;
        assert!(matches!(verify(&changed, &anchor), Verdict::Bad { .. }), "{path}");
    }
    let mut added = good.clone();
    added["data"]["more"] = json!(1);
    assert!(matches!(verify(&added, &anchor), Verdict::Bad { .. }));
    let mut renamed = good.clone();
    renamed[KEY_ID] = theirs.note().current.into();
    assert!(matches!(verify(&renamed, &Anchor::info(&theirs.note()).unwrap()), Verdict::Bad { .. }));
    assert!(matches!(verify(&signed(&theirs, event()), &anchor), Verdict::UnknownKey { .. }));
    assert_eq!(verify(&event(), &anchor), Verdict::Unsigned);
    let mut foreign = event();
    foreign["source"] = json!("urn:gridwatch:330902101:gw-0008");
    assert!(matches!(verify(&signed(&ours, foreign), &anchor), Verdict::OtherGateway { .. }));
}

#[test]
fn a_new_key_is_used_at_once_and_the_old_one_vouches_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let running = SigningKeys::open_or_make(folder.path(), GATEWAY, NOON).unwrap();
    let (first, before) = (running.note(), signed(&running, event()));
    let told = SigningKeys::rotate(folder.path(), GATEWAY, LATER).unwrap();
    assert_eq!((told.keys.len(), told.keys[0].until.as_deref()), (2, Some(LATER)));
    let after = signed(&running, event());
    assert_eq!(after[KEY_ID], told.current, "the running gateway sees it");
    assert_eq!(running.note(), told);
    let private: Vec<_> = fs::read_dir(folder.path().join("keys")).unwrap().flatten().map(|e| e.file_name()).collect();
    assert_eq!(private.len(), 2, "the old private key is gone: {private:?}");
    // Whoever knows only the first key believes the second, and still believes what was signed before.
    let chain = Anchor::chain(first_key(&first), &told).unwrap();
    for event in [&before, &after] {
        assert!(matches!(verify(event, &chain), Verdict::Good { told: Some(_), .. }));
    }
    assert!(matches!(verify(&after, &Anchor::key(first_key(&first))), Verdict::UnknownKey { .. }));
    let mut forged = told.clone();
    forged.keys[1].since = NOON.to_owned();
    let chain = Anchor::chain(first_key(&first), &forged).unwrap();
    assert!(matches!(verify(&after, &chain), Verdict::UnknownKey { .. }), "what is vouched for was changed");
}

#[test]
fn a_damaged_key_is_replaced_and_the_old_public_one_is_told_on() {
    let folder = tempfile::tempdir().unwrap();
    let first = SigningKeys::open_or_make(folder.path(), GATEWAY, NOON).unwrap().note();
    let pem = folder.path().join(format!("keys/{}.pem", first.current));
    for torn in [Vec::new(), b"\xff\xfe".to_vec(), fs::read(&pem).unwrap()[..60].to_vec()] {
        let damaged = folder.path().join(format!(
            "keys/{}.pem",
            SigningKeys::open_or_make(folder.path(), GATEWAY, LATER).unwrap().note().current
        ));
        fs::write(damaged, torn).unwrap();
        let keys = SigningKeys::open_or_make(folder.path(), GATEWAY, LATER).unwrap();
        let note = keys.note();
        assert_eq!(note.keys[0].id, first.current);
        assert_eq!(note.keys.last().unwrap().endorsement, None, "nobody can vouch for it");
        assert!(matches!(verify(&signed(&keys, event()), &Anchor::info(&note).unwrap()), Verdict::Good { .. }));
    }
    fs::write(folder.path().join("keys/signing.json"), "{").unwrap();
    assert_eq!(SigningKeys::open_or_make(folder.path(), GATEWAY, LATER).unwrap().note().keys.len(), 1);
}

#[test]
fn keys_are_those_of_other_programs() {
    let folder = tempfile::tempdir().unwrap();
    let note = SigningKeys::open_or_make(folder.path(), GATEWAY, NOON).unwrap().note();
    let pem = folder.path().join(format!("keys/{}.pem", note.current));
    let openssl = std::process::Command::new("openssl").args(["pkey", "-pubout", "-in"]).arg(pem).output();
    let Ok(public) = openssl else { return println!("skipped: openssl is not installed") };
    assert!(public.status.success(), "{public:?}");
    let public = PublicKey::parse(&String::from_utf8(public.stdout).unwrap()).unwrap();
    assert_eq!(public, first_key(&note));
    assert_eq!(public.id(), note.current);
}

#[test]
fn the_published_example_is_signed() {
    let read = |text| serde_json::from_str::<Value>(text).unwrap();
    let plain = read(include_str!("../../contract/examples/event-opened.json"));
    let mut example = read(include_str!("../../contract/examples/event-signed.json"));
    let note = serde_json::from_value(read(include_str!("../../contract/examples/info-signing.json"))).unwrap();
    assert!(matches!(verify(&example, &Anchor::info(&note).unwrap()), Verdict::Good { told: Some(_), .. }));
    let members = example.as_object_mut().unwrap();
    assert!(members.remove(KEY_ID).is_some() && members.remove(SIGNATURE).is_some());
    assert_eq!(example, plain);
}
