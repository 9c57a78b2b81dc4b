//! The outbox against a simple model of it.

use std::collections::BTreeMap;

use gridwatch::domain::incident::{CloseReason, Phase};
use gridwatch::store::{Ack, Class};
use proptest::prelude::*;
use uuid::Uuid;

use super::{commit_of, event, open};

#[derive(Debug, Clone)]
enum Step {
    Write { event: u8, close: bool },
    Ack(u8),
    BrokerAck(u8),
    Quarantine(u8),
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let one = prop_oneof![
        4 => (0..4_u8, prop::bool::weighted(0.2)).prop_map(|(event, close)| Step::Write { event, close }),
        2 => any::<u8>().prop_map(Step::Ack),
        1 => any::<u8>().prop_map(Step::BrokerAck),
        1 => any::<u8>().prop_map(Step::Quarantine),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(one, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// The outbox against a list in memory.
    #[test]
    fn the_outbox_is_a_list_that_loses_nothing(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let (mut store, _) = open(directory.path());
            // Number → event, revision, is an update; only what is to be sent now.
            let mut model: BTreeMap<u64, (Uuid, u32, bool)> = BTreeMap::new();
            let mut revisions = [0_u32; 4];
            let mut produced = 0;
            for step in steps {
                let batch = store.next_batch(100, Vec::new()).await.unwrap();
                let pick = |n: u8| batch.get(usize::from(n) % batch.len().max(1));
                let ack = match step {
                    Step::Write { event: n, close } => {
                        let (slot, id) = (&mut revisions[usize::from(n)], event(n.into()));
                        *slot += 1;
                        let phase = match *slot {
                            1 => Phase::Opened,
                            _ if close => Phase::Closed(CloseReason::Cleared),
                            _ => Phase::Updated,
                        };
                        let seq = store.commit(commit_of(id, *slot, phase)).await.unwrap()[0].0;
                        produced += 1;
                        assert_eq!(seq, produced);
                        model.retain(|_, (other, _, update)| *other != id || !*update);
                        model.insert(seq, (id, *slot, phase == Phase::Updated));
                        None
                    }
                    Step::Ack(n) => pick(n).map(|m| (m, Ack::Released)),
                    Step::BrokerAck(n) => pick(n).map(|m| (m, Ack::BrokerAcked)),
                    Step::Quarantine(n) => pick(n).map(|m| (m, Ack::Quarantined { reason: "no".to_owned() })),
                    Step::Reopen => {
                        store.close().await.unwrap();
                        store = open(directory.path()).0;
                        None
                    }
                };
                if let Some((message, ack)) = ack {
                    model.remove(&message.seq.unwrap().0);
                    store.acknowledge(vec![(message.id, ack)]).await.unwrap();
                }
                let now: BTreeMap<_, _> = store.next_batch(100, Vec::new()).await.unwrap().into_iter()
                    .map(|m| (m.seq.unwrap().0, (m.event.0, m.event.1.unwrap(), m.class == Class::Update)))
                    .collect();
                assert_eq!(now, model);
                let accounting = store.accounting().await.unwrap();
                assert!(accounting.balances() && accounting.produced == produced, "{accounting:?}");
            }
        });
    }
}
