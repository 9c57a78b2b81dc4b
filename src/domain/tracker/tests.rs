use super::*;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap()
}

fn person(x: f32, y: f32) -> Detection {
    Detection {
        class_id: 0,
        roles: [Role::Person].into_iter().collect(),
        score: 0.8,
        bbox: BoundingBox { left: x, top: y, width: 0.04, height: 0.16 },
    }
}

#[test]
fn whoever_stands_keeps_the_anchor_through_jitter_and_misses() {
    let mut tracker = Tracker::default();
    for look in 0..10_i16 {
        let jitter = f32::from(look % 3) * 0.004;
        let seen = if look == 5 { vec![] } else { vec![person(0.5 + jitter, 0.3)] };
        tracker.update(&seen, &[], at(i64::from(look) * 1500));
    }
    let [track] = tracker.tracks() else { panic!("one track, not {:?}", tracker.tracks()) };
    assert_eq!(track.standing_for(), Duration::from_millis(13_500));
    assert!(!track.is_moving());
}

/// To a camera at the height of heads.
#[test]
fn whoever_walks_towards_the_camera_does_not_stand() {
    let mut tracker = Tracker::default();
    for look in 0..10_i16 {
        let size = 1.06_f32.powi(look.into());
        let mut seen = person(0.5, 0.3);
        seen.bbox = BoundingBox { left: 0.5 - 0.02 * size, top: 0.3, width: 0.04 * size, height: 0.16 * size };
        tracker.update(&[seen], &[], at(i64::from(look) * 1000));
        let [track] = tracker.tracks() else { panic!("one track, not {:?}", tracker.tracks()) };
        assert!(track.standing_for() < Duration::from_secs(5), "look {look}");
    }
}

#[test]
fn a_walker_is_one_moving_track() {
    let mut tracker = Tracker::default();
    for look in 0..8_i16 {
        tracker.update(&[person(0.1 + f32::from(look) * 0.07, 0.3)], &[], at(i64::from(look) * 1000));
    }
    let [track] = tracker.tracks() else { panic!("one track, not {:?}", tracker.tracks()) };
    assert!(track.is_moving());
    assert_eq!(track.standing_for(), Duration::ZERO);
}

#[test]
fn hidden_feet_do_not_make_a_walker() {
    let mut tracker = Tracker::default();
    for look in 0..8_i16 {
        let mut seen = person(0.5, 0.3);
        if look % 2 == 1 {
            seen.bbox.height = 0.09;
        }
        tracker.update(&[seen], &[], at(i64::from(look) * 1000));
    }
    assert_eq!(tracker.tracks().len(), 1);
    assert_eq!(tracker.tracks()[0].standing_for(), Duration::from_secs(7));
}

#[test]
fn a_track_is_lost_then_removed() {
    let mut tracker = Tracker::default();
    tracker.update(&[person(0.5, 0.3)], &[], at(0));
    tracker.update(&[person(0.5, 0.3)], &[], at(1000));
    tracker.update(&[], &[], at(2000));
    assert_eq!(tracker.tracks()[0].state, TrackState::Lost);
    tracker.update(&[], &[], at(20_000));
    assert!(tracker.tracks().is_empty());
}

#[test]
fn indices_of_detections_survive_removals() {
    let mut tracker = Tracker::default();
    tracker.update(&[person(0.1, 0.3)], &[], at(0));
    let of_detection = tracker.update(&[person(0.8, 0.3)], &[], at(10_000));
    assert_eq!(of_detection, [Some(0)]);
    assert_eq!(tracker.tracks().len(), 1);
}

#[test]
fn a_faint_box_keeps_a_track_in_its_place_and_begins_none() {
    let mut tracker = Tracker::default();
    tracker.update(&[person(0.5, 0.3)], &[], at(0));
    tracker.update(&[person(0.5, 0.3)], &[], at(2000));
    for look in 2..20 {
        tracker.update(&[], &[person(0.505, 0.3), person(0.8, 0.3)], at(look * 2000));
    }
    let [track] = tracker.tracks() else { panic!("one track, not {:?}", tracker.tracks()) };
    assert_eq!((track.hits, track.last_seen), (2, at(38_000)));
    // One that is where a walker was says nothing of where the walker is now.
    tracker.update(&[], &[person(0.56, 0.3)], at(40_000));
    assert_eq!(tracker.tracks()[0].last_seen, at(38_000));
}
