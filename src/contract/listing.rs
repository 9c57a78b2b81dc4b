//! Which pictures an event lists. An incident of days has hundreds; the schema allows 64.

use std::collections::BTreeMap;

use super::grid_event::EvidenceEntry;
use crate::domain::incident::EvidenceRole;

/// The newest this many views of what goes on are listed.
const MAX_LATEST: usize = 4;
/// The newest this many originals: there are one or two.
const MAX_ORIGINALS: usize = 4;
/// The newest this many of any other role: with seven roles of eight that makes the schema's 64. An incident has one
/// or two of each; only verifications can be asked for again and again.
const MAX_OF_A_ROLE: usize = 8;

/// The pictures to list of `all`, which are oldest first; in the same order.
pub(super) fn listed(all: &[EvidenceEntry]) -> impl Iterator<Item = &EvidenceEntry> {
    let mut counts: BTreeMap<EvidenceRole, usize> = BTreeMap::new();
    let mut kept: Vec<_> = all.iter().rev().filter(|entry| take(&mut counts, entry.role)).collect();
    kept.reverse();
    kept.into_iter()
}

fn take(counts: &mut BTreeMap<EvidenceRole, usize>, role: EvidenceRole) -> bool {
    let most = match role {
        EvidenceRole::Latest => MAX_LATEST,
        EvidenceRole::OriginalSealed => MAX_ORIGINALS,
        EvidenceRole::Before
        | EvidenceRole::FirstSeen
        | EvidenceRole::During
        | EvidenceRole::After
        | EvidenceRole::Confirmed
        | EvidenceRole::Closed
        | EvidenceRole::Verification => MAX_OF_A_ROLE,
    };
    let count = counts.entry(role).or_default();
    *count += 1;
    *count <= most
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use crate::contract::grid_event::{EvidenceEntry, Redaction, RedactionState, Transport};
    use crate::contract::tests::{built_with, check, picture, step};
    use crate::domain::incident::{EvidenceRole, Kind};

    /// Ids of the pictures that an event with these lists; the event is valid.
    fn ids(roles: &[EvidenceRole]) -> Vec<String> {
        let all: Vec<EvidenceEntry> = roles
            .iter()
            .zip(1..)
            .map(|(&role, number)| {
                let mut entry = EvidenceEntry { id: format!("e{number}"), role, ..picture(Transport::Mqtt) };
                if role == EvidenceRole::OriginalSealed {
                    let key = "00ff3c5e9a1f2b4c6d8e0f1a2b3c4d5e".parse().expect("a key id");
                    entry.redaction = Redaction { state: RedactionState::Sealed(key), persons: 0, plates: None };
                }
                entry
            })
            .collect();
        let event = built_with(&step(Kind::Dumping), &all);
        check("envelope", &event);
        let listed = event["data"]["evidence"].as_array().expect("a list");
        listed.iter().filter_map(|entry| entry["id"].as_str()).map(str::to_owned).collect()
    }

    #[test]
    fn a_hundred_updates_leave_the_event_valid() {
        use EvidenceRole::{After, Before, Closed, Confirmed, During, FirstSeen, Latest, Verification};
        let mut roles = vec![Before, FirstSeen, During, After, Confirmed];
        for update in 1..=100 {
            roles.push(Latest);
            let found = ids(&roles);
            assert_eq!(found[..5], ["e1", "e2", "e3", "e4", "e5"], "{update}");
            assert_eq!(found.last(), Some(&format!("e{}", roles.len())), "the newest is told of");
        }
        roles.extend([Verification, Closed]);
        assert_eq!(
            ids(&roles),
            ["e1", "e2", "e3", "e4", "e5", "e102", "e103", "e104", "e105", "e106", "e107"],
            "oldest first"
        );
    }

    #[test]
    fn no_mixture_exceeds_the_schema() {
        use EvidenceRole::{After, Before, Closed, Confirmed, During, FirstSeen, Latest, OriginalSealed, Verification};
        let roles =
            [Before, FirstSeen, During, After, Confirmed, Latest, Closed, Verification, OriginalSealed].repeat(20);
        let schema: Value =
            serde_json::from_str(include_str!("../../contract/grid-event-1.schema.json")).expect("JSON");
        let most = schema["properties"]["evidence"]["maxItems"].as_u64().expect("a limit");
        assert_eq!(most, 64);
        assert_eq!(ids(&roles).len(), 64);
    }
}
