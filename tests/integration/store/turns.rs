use super::*;

async fn names(store: &Store, turn: Turn, limit: usize, busy: Vec<MessageId>) -> Vec<(Option<u64>, Class)> {
    let batch = store.next_of(turn, limit, busy).await.unwrap();
    batch.iter().map(|message| (message.seq.map(|seq| seq.0), message.class)).collect()
}

#[tokio::test]
async fn live_messages_go_before_what_has_piled_up_and_pictures_have_turns_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let clock = clock();
    let (store, _) = Store::open(&storage(folder.path()), Arc::new(clock.clone())).unwrap();
    for n in 1..=3 {
        store.keep_snapshot(camera(), SnapshotId(n), picture(100)).await.unwrap();
        store.commit(opened_with_picture(n)).await.unwrap();
    }
    let closed = Phase::Closed(CloseReason::Cleared);
    store.commit(commit_of(event(1), 2, closed)).await.unwrap();
    store.commit(commit_of(event(2), 2, Phase::Updated)).await.unwrap();
    clock.advance_to(clock.now() + jiff::SignedDuration::from_mins(10));
    store.commit(commit_of(event(3), 2, Phase::Updated)).await.unwrap();
    store.commit(commit_of(event(3), 3, closed)).await.unwrap();

    let (opened, closed, update) = (Class::Opened, Class::Closed, Class::Update);
    // 6 was superseded by 7, live goes first, then the piled up ones.
    let urgent = names(&store, Turn::Urgent, 10, Vec::new()).await;
    let expected = [(7, closed), (3, opened), (2, opened), (1, opened), (4, closed), (5, update)];
    assert_eq!(urgent, expected.map(|(seq, class)| (Some(seq), class)));
    assert_eq!(names(&store, Turn::Urgent, 1, Vec::new()).await, [(Some(7), closed)]);
    let oldest = names(&store, Turn::Oldest, 2, Vec::new()).await;
    assert_eq!(oldest, [(Some(1), opened), (Some(2), opened)]);
    let pictures = store.next_of(Turn::NewestPicture, 9, Vec::new()).await.unwrap();
    assert_eq!(pictures.iter().map(|p| p.event.0).collect::<Vec<_>>(), [event(3), event(2), event(1)]);
    let first = store.next_of(Turn::OldestPicture, 1, Vec::new()).await.unwrap();
    assert_eq!(first[0].id, pictures[2].id);
    let next = store.next_of(Turn::OldestPicture, 1, vec![first[0].id]).await.unwrap();
    assert_eq!(next[0].id, pictures[1].id);
}

#[tokio::test]
async fn a_message_without_its_receipt_comes_back_with_the_oldest() {
    let folder = tempfile::tempdir().unwrap();
    let clock = clock();
    let (store, _) = Store::open(&storage(folder.path()), Arc::new(clock.clone())).unwrap();
    store.commit(commit_of(event(1), 1, Phase::Opened)).await.unwrap();
    let sent = store.next_of(Turn::Urgent, 9, Vec::new()).await.unwrap();
    store.acknowledge(vec![(sent[0].id, Ack::BrokerAcked)]).await.unwrap();
    assert_eq!(names(&store, Turn::Oldest, 9, Vec::new()).await, []);
    clock.advance_to(clock.now() + jiff::SignedDuration::from_mins(5));
    assert_eq!(names(&store, Turn::Urgent, 9, Vec::new()).await, [], "its first turn is over");
    assert_eq!(store.next_of(Turn::Oldest, 9, Vec::new()).await.unwrap(), sent, "the same bytes again");
}

#[tokio::test]
async fn a_picture_that_cannot_be_read_now_does_not_hold_up_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    for n in 1..=2 {
        store.keep_snapshot(camera(), SnapshotId(n), picture(100)).await.unwrap();
        store.commit(opened_with_picture(n)).await.unwrap();
    }
    let file = |n: u64| folder.path().join(format!("evidence/{n}.jpg"));
    let (whole, aside) = (fs::read(file(2)).unwrap(), file(2).with_extension("aside"));
    fs::rename(file(2), &aside).unwrap();
    fs::create_dir(file(2)).unwrap();
    let sent = store.next_of(Turn::NewestPicture, 1, Vec::new()).await.unwrap();
    assert_eq!(sent[0].event.0, event(1));
    fs::remove_dir(file(2)).unwrap();
    fs::write(file(2), whole).unwrap();
    let sent = store.next_of(Turn::NewestPicture, 1, Vec::new()).await.unwrap();
    assert_eq!(sent[0].event.0, event(2));
}
