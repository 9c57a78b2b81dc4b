//! Repeated commits, incidents held back, verdicts that wait, and refused logins.

use gridwatch::contract::feedback::{CaseState, Feedback};
use gridwatch::contract::grid_event::Transport;
use gridwatch::domain::incident::{CloseReason, EvidenceRole, Phase, SnapshotId};
use gridwatch::store::{AuthKey, Class, Commit, FeedbackOutcome, SnapshotUse, Store};

use super::{camera, commit_of, event, open, opened_with_picture, picture, pictures_on_disk, storage};

#[tokio::test]
async fn a_commit_may_be_repeated() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    store.keep_snapshot(camera(), SnapshotId(1), picture(10)).await.unwrap();
    let numbers = store.commit(opened_with_picture(1)).await.unwrap();
    store.discard_snapshot(camera(), SnapshotId(1)).await.unwrap();
    assert_eq!(store.commit(opened_with_picture(1)).await.unwrap(), numbers);
    // One step that is there, and one that is new.
    let mut both = opened_with_picture(1);
    let next = commit_of(event(1), 2, Phase::Closed(CloseReason::Cleared));
    both.transitions.extend(next.transitions);
    both.drafts.extend(next.drafts);
    assert_eq!(store.commit(both).await.unwrap().len(), 2);
    assert_eq!(store.timeline(event(1)).await.unwrap().len(), 2);
    let accounting = store.accounting().await.unwrap();
    assert_eq!((accounting.produced, accounting.balances()), (3, true));
}

#[tokio::test]
async fn a_commit_stands_when_tidying_fails() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    store.keep_snapshot(camera(), SnapshotId(1), picture(10)).await.unwrap();
    // A folder in the place of a file cannot be deleted as one.
    let file = directory.path().join("evidence/1.jpg");
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    store.discard_snapshot(camera(), SnapshotId(1)).await.unwrap();
    store.commit(commit_of(event(1), 1, Phase::Opened)).await.unwrap();
    std::fs::remove_dir(&file).unwrap();
    store.housekeep().await.unwrap();
    assert_eq!((store.last_seq().await.unwrap().0, pictures_on_disk(directory.path())), (1, 0));
}

#[tokio::test]
async fn a_held_back_incident_takes_its_pictures_along_when_it_goes_out() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    store.keep_snapshot(camera(), SnapshotId(1), picture(10)).await.unwrap();
    store.keep_snapshot(camera(), SnapshotId(2), picture(20)).await.unwrap();
    store.commit(Commit { drafts: Vec::new(), ..opened_with_picture(1) }).await.unwrap();
    assert!(!store.latest_event(event(1)).await.unwrap().unwrap().published);
    assert_eq!(store.evidence_of(event(1), Transport::Mqtt).await.unwrap().len(), 1);
    assert!(store.next_batch(9, Vec::new()).await.unwrap().is_empty());
    assert!(!store.requeue_evidence(event(1), "e1".to_owned()).await.unwrap());

    let mut update = commit_of(event(1), 2, Phase::Updated);
    let (id, role, topic) = ("e2".to_owned(), EvidenceRole::Confirmed, "t/evidence".to_owned());
    update.snapshots_used.push(SnapshotUse { event_id: event(1), snapshot: SnapshotId(2), id, role, topic });
    store.commit(update).await.unwrap();
    assert!(store.latest_event(event(1)).await.unwrap().unwrap().published);
    let batch = store.next_batch(9, Vec::new()).await.unwrap();
    let names: Vec<_> = batch.iter().filter_map(|message| message.evidence.as_deref()).collect();
    assert_eq!((batch.len(), names), (3, vec!["e1", "e2"]));
    assert!(store.accounting().await.unwrap().balances());
    store.commit(commit_of(event(1), 3, Phase::Updated)).await.unwrap();
    let again = store.next_batch(9, Vec::new()).await.unwrap();
    assert_eq!(again.iter().filter(|message| message.class == Class::Evidence).count(), 2, "each goes once");
}

#[tokio::test]
async fn a_verdict_waits_until_it_is_applied() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    store.commit(commit_of(event(1), 1, Phase::Opened)).await.unwrap();
    store.commit(commit_of(event(2), 1, Phase::Opened)).await.unwrap();
    store.commit(commit_of(event(2), 2, Phase::Closed(CloseReason::Cleared))).await.unwrap();
    let open_now: Vec<_> = store.open_events(camera()).await.unwrap().iter().map(|step| step.event_id).collect();
    assert_eq!(open_now, [event(1)]);
    let feedback = |n, seq, state| Feedback {
        event_id: event(n),
        revision_seen: None,
        seq,
        state,
        case_no: None,
        reason_code: None,
        handler_org: None,
        due_at: None,
        verify_on_handled: true,
    };
    for (n, seq, state) in [(1, 1, CaseState::Handled), (1, 2, CaseState::Evaluated), (2, 1, CaseState::Rejected)] {
        assert_eq!(store.record_feedback(feedback(n, seq, state)).await.unwrap(), FeedbackOutcome::Applied);
    }
    assert_eq!(store.record_feedback(feedback(1, 1, CaseState::Handled)).await.unwrap(), FeedbackOutcome::Stale);
    store.close().await.unwrap();

    let (store, _) = open(directory.path());
    let waiting = store.unapplied_feedback(camera()).await.unwrap();
    assert_eq!(waiting, [feedback(1, 1, CaseState::Handled), feedback(2, 1, CaseState::Rejected)]);
    store.mark_applied(event(2), 1).await.unwrap();
    let mut step = commit_of(event(1), 2, Phase::Updated);
    step.feedback_applied = vec![(event(1), 1)];
    store.commit(step).await.unwrap();
    assert_eq!(store.unapplied_feedback(camera()).await.unwrap(), []);
}

#[tokio::test]
async fn receipts_are_remembered() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    assert!(!store.receipts_seen().await.unwrap());
    store.receipt(event(9), 1).await.unwrap();
    store.close().await.unwrap();
    assert!(open(directory.path()).0.receipts_seen().await.unwrap());
}

#[tokio::test]
async fn refused_logins_are_counted_for_each_credential_and_can_be_read_beside() {
    let directory = tempfile::tempdir().unwrap();
    let limits = storage(directory.path());
    let key = |fingerprint: &str| AuthKey {
        host: "h:554".to_owned(),
        account: "a".to_owned(),
        fingerprint: fingerprint.to_owned(),
    };
    assert_eq!(Store::read_auth_failures(&limits).unwrap(), []);
    let (store, _) = open(directory.path());
    assert_eq!(store.record_auth_failure(key("f")).await.unwrap(), 1);
    assert_eq!(store.record_auth_failure(key("g")).await.unwrap(), 1);
    assert_eq!(store.record_auth_failure(key("f")).await.unwrap(), 2);
    store.clear_auth(key("g")).await.unwrap();
    assert_eq!(Store::read_auth_failures(&limits).unwrap(), [(key("f"), 2)], "while another works there");
    store.close().await.unwrap();
    let names = || std::fs::read_dir(directory.path()).unwrap().map(|e| e.unwrap().file_name()).collect::<Vec<_>>();
    let before = names();
    assert_eq!(Store::read_auth_failures(&limits).unwrap(), [(key("f"), 2)]);
    assert_eq!(names(), before, "nothing is written");
}
