//! Store, log, pictures and mark, cut off or flipped at many places: it starts, and what is missing is in the ledger.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gridwatch::domain::incident::{CloseReason, Phase, SnapshotId};
use gridwatch::store::{Ack, OutboxMessage, Store};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use tokio::time::Instant;

use super::{is_full, setting};
use crate::store::{camera, clock, commit_of, event, opened_with_picture, picture, storage};

const EVENTS: u64 = 40;
/// The limit for a start.
const START_WITHIN: Duration = Duration::from_secs(5);

/// What tells a message from all others.
type Name = (uuid::Uuid, Option<u32>, Option<String>);

fn name(message: &OutboxMessage) -> Name {
    (message.event.0, message.event.1, message.evidence.clone())
}

/// A store in mid-work: part of it in the log only, some of it sent. The folder holds what a power cut would leave, the
/// messages are all that were ever written, the names those that nobody has yet.
async fn template(folder: &Path) -> (BTreeMap<Name, Bytes>, Vec<Name>) {
    let working = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(&storage(working.path()), Arc::new(clock())).unwrap();
    for n in 1..=EVENTS {
        store.keep_snapshot(camera(), SnapshotId(n), picture(900 + usize::try_from(n).unwrap())).await.unwrap();
        store.commit(opened_with_picture(n)).await.unwrap();
    }
    let everything = store.next_batch(1000, Vec::new()).await.unwrap();
    let sent = everything.iter().filter(|message| message.event.0.as_u64_pair().1 <= EVENTS / 3);
    store.acknowledge(sent.map(|message| (message.id, Ack::Released)).collect()).await.unwrap();
    for n in 1..=EVENTS / 2 {
        store.commit(commit_of(event(n), 2, Phase::Closed(CloseReason::Cleared))).await.unwrap();
    }
    let waiting = store.next_batch(1000, Vec::new()).await.unwrap();
    for file in files(working.path()) {
        let to = folder.join(file.strip_prefix(working.path()).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(&file, to).unwrap();
    }
    store.close().await.unwrap();
    let names = waiting.iter().map(name).collect();
    (everything.into_iter().chain(waiting).map(|message| (name(&message), message.body)).collect(), names)
}

/// What is on the disk; locks, the log's index (memory) and the ballast are not.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let left_out = ["lock", "gridwatch.db-shm", "ballast"].iter().any(|name| entry.file_name() == *name);
        match entry.path() {
            path if path.is_dir() => found.extend(files(&path)),
            path if !left_out => found.push(path),
            _ => {}
        }
    }
    found.sort();
    found
}

#[derive(Debug, Clone, Copy)]
enum Damage {
    Cut,
    Flip,
    Zero,
    Noise,
}

/// Damages one file at one place, and says how.
fn damage(folder: &Path, dice: &mut ChaCha8Rng, round: usize) -> String {
    let evidence = files(&folder.join("evidence"));
    let file = match round % 10 {
        0..4 => folder.join("gridwatch.db"),
        4..8 => folder.join("gridwatch.db-wal"),
        8 => evidence[dice.random_range(0..evidence.len())].clone(),
        _ => folder.join("mark"),
    };
    let mut bytes = fs::read(&file).unwrap();
    let at = dice.random_range(0..bytes.len());
    let sector = at / 512 * 512;
    let end = (sector + 512).min(bytes.len());
    let kind = [Damage::Cut, Damage::Flip, Damage::Zero, Damage::Noise][dice.random_range(0..4)];
    match kind {
        Damage::Cut => bytes.truncate(if dice.random_bool(0.5) { at } else { sector }),
        Damage::Flip => bytes[at] ^= 1 << dice.random_range(0..8),
        Damage::Zero => bytes[sector..end].fill(0),
        Damage::Noise => dice.fill(&mut bytes[sector..end]),
    }
    fs::write(&file, bytes).unwrap();
    format!("{kind:?} of {} at {at}", file.strip_prefix(folder).unwrap().display())
}

#[tokio::test]
async fn starts_from_any_damage_and_reports_what_it_took() {
    let whole = tempfile::tempdir().unwrap();
    let (messages, waiting) = template(whole.path()).await;
    assert!(
        fs::metadata(whole.path().join("gridwatch.db-wal")).unwrap().len() > 100_000,
        "part of it is in the log only"
    );
    let places = if is_full() { 500 } else { 40 };
    let seed = setting("GRIDWATCH_TORN_SEED").map_or(4, |seed| seed.parse().unwrap());
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let (mut started, mut set_aside, mut with_loss, mut unreported, mut slowest) =
        (0, 0, 0, Vec::new(), Duration::ZERO);
    for round in 0..places {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("evidence")).unwrap();
        for file in files(whole.path()) {
            fs::copy(&file, folder.path().join(file.strip_prefix(whole.path()).unwrap())).unwrap();
        }
        let what = damage(folder.path(), &mut dice, round);
        let began = Instant::now();
        let (store, report) = match Store::open(&storage(folder.path()), Arc::new(clock())) {
            Ok(opened) => opened,
            Err(error) => panic!("{what}: does not start: {error}"),
        };
        slowest = slowest.max(began.elapsed());
        started += 1;
        set_aside += usize::from(report.set_aside.is_some());
        let kept = store.next_batch(1000, Vec::new()).await.unwrap();
        for message in &kept {
            let written = messages.get(&name(message));
            assert_eq!(written, Some(&message.body), "{what}: a message goes out that was never written so");
        }
        let missing = waiting.iter().filter(|wanted| !kept.iter().any(|message| name(message) == **wanted)).count();
        let accounting = store.accounting().await.unwrap();
        let is_told = accounting.lost >= missing as u64 && (report.lost == 0 || accounting.lost >= report.lost);
        with_loss += usize::from(missing > 0);
        if !is_told {
            unreported.push(format!("{what}: {missing} missing, {accounting:?}, {report:?}"));
        }
        // It goes on from there.
        store.commit(commit_of(event(9000), 1, Phase::Opened)).await.unwrap();
        assert!(store.next_batch(1000, Vec::new()).await.unwrap().iter().any(|message| message.event.0 == event(9000)));
        store.close().await.unwrap();
    }
    println!(
        "figure: torn_places={places} torn_started={started} torn_with_loss={with_loss} torn_set_aside={set_aside} \
         torn_unreported={} torn_slowest_start_ms={}",
        unreported.len(),
        slowest.as_millis()
    );
    assert!(unreported.is_empty(), "{}", unreported.join("\n"));
    assert!(slowest <= START_WITHIN, "{slowest:?}");
}
