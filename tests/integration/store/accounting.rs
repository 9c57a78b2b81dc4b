//! What became of every message adds up, after every step of any history.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gridwatch::clock::{Clock, ManualClock};
use gridwatch::config::model::Storage;
use gridwatch::contract::command::{Resync, Since};
use gridwatch::contract::metrics::Accounting;
use gridwatch::domain::incident::{CloseReason, EvidenceRole, Phase, SnapshotId};
use gridwatch::store::{Ack, Inspection, Pick, SnapshotUse, Store, StoreError};
use proptest::prelude::*;

use super::{camera, clock, commit_of, event, open, picture, storage};

#[derive(Debug, Clone)]
enum Step {
    Write { event: u8, phase: u8, picture: bool },
    Ack(u8),
    BrokerAck(u8),
    Refuse(u8),
    Receipt { event: u8, revision: u8 },
    Resync { first: u8, last: u8 },
    ResyncSince { hours: u8 },
    GetEvidence { event: u8 },
    Requeue(Pick),
    Hours(u8),
    LosePicture,
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let pick = prop_oneof![
        (0..40_u64).prop_map(Pick::Number),
        (0..4_u64).prop_map(|n| Pick::Event(event(n))),
        (0..4_u64).prop_map(|n| Pick::Picture(event(n), "e1".to_owned())),
        Just(Pick::Quarantined),
    ];
    let write = (0..4_u8, 0..10_u8, any::<bool>());
    let one = prop_oneof![
        8 => write.prop_map(|(event, phase, picture)| Step::Write { event, phase, picture }),
        3 => any::<u8>().prop_map(Step::Ack),
        2 => any::<u8>().prop_map(Step::BrokerAck),
        2 => any::<u8>().prop_map(Step::Refuse),
        1 => (0..4_u8, 1..6_u8).prop_map(|(event, revision)| Step::Receipt { event, revision }),
        1 => (0..40_u8, 0..40_u8).prop_map(|(first, more)| Step::Resync { first, last: first + more }),
        1 => (0..48_u8).prop_map(|hours| Step::ResyncSince { hours }),
        1 => (0..4_u8).prop_map(|event| Step::GetEvidence { event }),
        2 => pick.prop_map(Step::Requeue),
        3 => (0..30_u8).prop_map(Step::Hours),
        1 => Just(Step::LosePicture),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(one, 1..60)
}

/// So small that everything which is given up for space is.
fn limits(directory: &Path) -> Storage {
    Storage { evidence_max_bytes: 2500, database_max_bytes: 220 << 10, ..storage(directory) }
}

struct Gateway {
    directory: tempfile::TempDir,
    clock: ManualClock,
    store: Store,
    revisions: [u32; 4],
    pictures: [u32; 4],
    produced: u64,
    snapshots: u64,
}

impl Gateway {
    fn new() -> Self {
        let (directory, clock) = (tempfile::tempdir().unwrap(), clock());
        let (store, _) = Store::open(&limits(directory.path()), Arc::new(clock.clone())).unwrap();
        Self { directory, clock, store, revisions: [0; 4], pictures: [0; 4], produced: 0, snapshots: 0 }
    }

    async fn write(&mut self, event_number: u8, phase: u8, with_picture: bool) {
        let slot = usize::from(event_number);
        self.revisions[slot] += 1;
        let (id, revision) = (event(event_number.into()), self.revisions[slot]);
        let phase = match phase {
            0..2 => Phase::Closed(CloseReason::Cleared),
            2..8 if revision > 1 => Phase::Updated,
            _ => Phase::Opened,
        };
        let commit = |used: &[SnapshotUse]| {
            let mut commit = commit_of(id, revision, phase);
            let padding = vec![b' '; 9000];
            commit.drafts[0].render =
                Box::new(move |stamp| [serde_json::to_vec(stamp).unwrap(), padding.clone()].concat());
            commit.snapshots_used = used.to_vec();
            commit
        };
        let mut used = Vec::new();
        if with_picture {
            self.snapshots += 1;
            self.pictures[slot] += 1;
            let (snapshot, name) = (SnapshotId(self.snapshots), format!("e{}", self.pictures[slot]));
            self.store.keep_snapshot(camera(), snapshot, picture(1000)).await.unwrap();
            let (role, topic) = (EvidenceRole::Latest, "t/evidence".to_owned());
            used.push(SnapshotUse { event_id: id, snapshot, id: name, role, topic });
        }
        match self.store.commit(commit(&used)).await {
            Err(StoreError::NoSnapshot { .. }) => used.clear(),
            done => {
                self.produced += 1 + used.len() as u64;
                return drop(done.unwrap());
            }
        }
        // Given up between the two: the event goes without it.
        self.store.commit(commit(&[])).await.unwrap();
        self.produced += 1;
    }

    async fn ack(&self, which: u8, ack: Ack) {
        let batch = self.store.next_batch(100, Vec::new()).await.unwrap();
        if let Some(message) = batch.get(usize::from(which) % batch.len().max(1)) {
            self.store.acknowledge(vec![(message.id, ack)]).await.unwrap();
        }
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Write { event, phase, picture } => self.write(event, phase, picture).await,
            Step::Ack(n) => self.ack(n, Ack::Released).await,
            Step::BrokerAck(n) => self.ack(n, Ack::BrokerAcked).await,
            Step::Refuse(n) => self.ack(n, Ack::Quarantined { reason: "no".to_owned() }).await,
            Step::Receipt { event: n, revision } => {
                self.store.receipt(event(n.into()), revision.into()).await.unwrap();
            }
            Step::Resync { first, last } => {
                let asked = Resync { since: Since::Seq(first.into()), until: Some(last.into()), epoch: None };
                self.store.resync(asked).await.unwrap();
            }
            Step::ResyncSince { hours } => {
                let at = self.clock.now() - Duration::from_secs(3600 * u64::from(hours));
                self.store.resync(Since::Time(at).into()).await.unwrap();
            }
            Step::GetEvidence { event: n } => {
                self.store.requeue_evidence(event(n.into()), "e1".to_owned()).await.unwrap();
            }
            Step::Requeue(pick) => {
                Store::requeue_beside(self.directory.path(), &[pick]).unwrap();
            }
            Step::Hours(hours) => {
                self.clock.advance_to(self.clock.now() + Duration::from_secs(3600 * u64::from(hours)));
                assert!(self.store.housekeep().await.unwrap().balanced);
            }
            Step::LosePicture => {
                let files = std::fs::read_dir(self.directory.path().join("evidence")).unwrap().flatten();
                if let Some(file) = files.min_by_key(std::fs::DirEntry::file_name) {
                    std::fs::remove_file(file.path()).unwrap();
                }
            }
            Step::Reopen => {
                self.store.clone().close().await.unwrap();
                let clock = Arc::new(self.clock.clone());
                self.store = Store::open(&limits(self.directory.path()), clock).unwrap().0;
            }
        }
    }

    /// Everything that has to hold between two steps.
    async fn check(&self, before: &Accounting) -> Accounting {
        let now = self.store.accounting().await.unwrap();
        assert_eq!(now.difference(), 0, "{now:?}");
        assert_eq!(now.produced, self.produced, "{now:?}");
        for (was, is) in
            [(before.acknowledged, now.acknowledged), (before.superseded, now.superseded), (before.lost, now.lost)]
        {
            assert!(is >= was, "{before:?} {now:?}");
        }
        // The same from outside, and every number is either kept or named as not kept.
        let beside = Inspection::open(self.directory.path(), self.directory.path()).unwrap();
        assert_eq!(beside.accounting().unwrap(), now);
        let survey = beside.survey();
        assert_eq!(survey.unreadable, []);
        let mut numbers = BTreeMap::new();
        for seq in survey.messages.iter().filter_map(|message| message.seq) {
            *numbers.entry(seq.0).or_insert(0) += 1;
        }
        for range in self.store.not_kept(0, u64::MAX >> 1).await.unwrap() {
            (range.from.0..=range.to.0).for_each(|seq| *numbers.entry(seq).or_insert(0) += 1);
        }
        let last = self.store.last_seq().await.unwrap().0;
        assert_eq!(numbers.into_iter().collect::<Vec<_>>(), (1..=last).map(|seq| (seq, 1)).collect::<Vec<_>>());
        now
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_message_is_accounted_for_after_every_step(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut gateway = Gateway::new();
            let mut accounting = Accounting::default();
            for step in steps {
                gateway.take(step).await;
                accounting = gateway.check(&accounting).await;
            }
            assert_eq!(gateway.store.accounting_mismatches().await.unwrap(), 0);
        });
    }
}

#[tokio::test]
async fn what_does_not_add_up_is_counted_once() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    store.commit(commit_of(event(1), 1, Phase::Opened)).await.unwrap();
    assert!(store.housekeep().await.unwrap().balanced);
    let change = |sql: &str| {
        let database = rusqlite::Connection::open(directory.path().join("gridwatch.db")).unwrap();
        assert_eq!(database.execute(sql, []).unwrap(), 1);
    };
    change("UPDATE counter SET n = n + 2 WHERE name = 'produced'");
    for _ in 0..3 {
        assert!(!store.housekeep().await.unwrap().balanced);
        assert_eq!(store.accounting_mismatches().await.unwrap(), 1);
    }
    change("UPDATE counter SET n = n + 1 WHERE name = 'produced'");
    assert!(!store.housekeep().await.unwrap().balanced);
    assert_eq!(store.accounting_mismatches().await.unwrap(), 2);
    change("UPDATE counter SET n = n - 3 WHERE name = 'produced'");
    assert!(store.housekeep().await.unwrap().balanced);
    assert_eq!(store.accounting_mismatches().await.unwrap(), 2);
    assert_eq!(store.next_batch(9, Vec::new()).await.unwrap().len(), 1, "it delivers all the same");
}
