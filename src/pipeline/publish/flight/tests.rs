use super::*;
use crate::mqtt::Connected;

fn at(second: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second)
}

fn flight_with(ids: &[i64]) -> Flight {
    let mut flight = Flight::new(false);
    for &id in ids {
        flight.handed_over(MessageId(id), Lane::Event, 2000);
    }
    flight
}

fn refusal(token: u64, kind: RefusalKind) -> UplinkEvent {
    let refusal = Refusal { code: 0x87, text: "no".to_owned(), kind };
    UplinkEvent::Refused { token, topic: "t".to_owned(), refusal }
}

#[test]
fn a_missing_right_pauses_and_loses_nothing() {
    let mut flight = Flight::new(false);
    let mut now = at(0);
    let mut pauses = Vec::new();
    for _ in 0..10 {
        assert_eq!(flight.room(now), WINDOW);
        for id in 1..=3 {
            flight.handed_over(MessageId(id), Lane::Event, 2000);
        }
        for token in 1..=3 {
            flight.answered(&refusal(token, RefusalKind::HoldOff), ReleaseOn::Auto, now);
        }
        assert_eq!(flight.room(now), 0);
        let began = now;
        while flight.room(now) == 0 {
            now += SignedDuration::from_secs(1);
        }
        pauses.push(now.duration_since(began).as_secs());
    }
    assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300, 300, 300]);
    assert_eq!(flight.settled(), 0, "nothing is given up");
}

#[test]
fn pictures_without_a_right_do_not_hold_events_back() {
    let mut flight = Flight::new(false);
    flight.handed_over(MessageId(1), Lane::Picture, 100_000);
    flight.answered(&refusal(1, RefusalKind::HoldOff), ReleaseOn::Auto, at(0));
    assert!(flight.is_paused(Lane::Picture, at(1)));
    assert_eq!(flight.room(at(1)), WINDOW);
}

fn acknowledge(flight: &mut Flight, token: u64) {
    flight.answered(&UplinkEvent::Acknowledged { token }, ReleaseOn::Auto, at(0));
}

/// The message is sent alone, and the broker ends the connection.
fn ends(flight: &mut Flight, id: i64) {
    assert!(!flight.busy().contains(&MessageId(id)));
    flight.handed_over(MessageId(id), Lane::Event, 2000);
    let token = u64::try_from(id).unwrap();
    flight.answered(&UplinkEvent::Unsent { token, suspect: true }, ReleaseOn::Auto, at(0));
}

#[test]
fn a_broken_line_accuses_nobody_but_a_repeated_culprit_is_set_aside() {
    let mut flight = flight_with(&[1, 2]);
    flight.answered(&UplinkEvent::Unsent { token: 1, suspect: true }, ReleaseOn::Auto, at(0));
    flight.answered(&UplinkEvent::Unsent { token: 2, suspect: false }, ReleaseOn::Auto, at(0));
    assert_eq!(flight.room(at(0)), 1, "one at a time from now on");
    for other in 2..=4 {
        ends(&mut flight, 1);
        assert_eq!(flight.busy(), [MessageId(1)], "not again before another one got through");
        assert!(flight.take_settled().is_empty());
        flight.handed_over(MessageId(other), Lane::Event, 2000);
        acknowledge(&mut flight, u64::try_from(other).unwrap());
        assert_eq!(flight.take_settled().first(), Some(&(MessageId(other), Ack::Released)));
        flight.settled.clear();
    }
    assert_eq!(flight.room(at(0)), WINDOW);
}

#[test]
fn the_culprit_is_set_aside_when_three_others_got_through_after_it() {
    let mut flight = Flight::new(false);
    let mut set_aside = Vec::new();
    for other in 2..=4 {
        ends(&mut flight, 1);
        flight.handed_over(MessageId(other), Lane::Event, 2000);
        acknowledge(&mut flight, u64::try_from(other).unwrap());
        set_aside.push(
            flight.take_settled().iter().any(|(id, ack)| *id == MessageId(1) && matches!(ack, Ack::Quarantined { .. })),
        );
    }
    assert_eq!(set_aside, [false, false, true]);
}

#[test]
fn a_broker_that_closes_on_everything_gets_nothing_set_aside() {
    let mut flight = Flight::new(false);
    for _ in 0..100 {
        for id in 1..=3 {
            ends(&mut flight, id);
        }
        assert!(flight.nothing_else_waits(), "all are in doubt: begin again");
    }
    assert!(flight.take_settled().is_empty());
    flight.handed_over(MessageId(1), Lane::Event, 2000);
    acknowledge(&mut flight, 1);
    assert_eq!(flight.take_settled(), [(MessageId(1), Ack::Released)]);
    assert_eq!(flight.room(at(0)), WINDOW);
}

#[test]
fn the_fourth_is_the_one_that_waits_longest() {
    let mut flight = Flight::new(false);
    let mut turns = Vec::new();
    for id in 0..8 {
        turns.push(flight.next_events(at(0)).unwrap().0);
        flight.handed_over(MessageId(id), Lane::Event, 100);
        acknowledge(&mut flight, u64::try_from(id).unwrap());
    }
    let urgent = Turn::Urgent;
    assert_eq!(turns, [urgent, urgent, urgent, Turn::Oldest, urgent, urgent, urgent, Turn::Oldest]);
}

#[test]
fn a_slow_line_is_never_filled_for_longer_than_a_live_message_may_wait() {
    let mut flight = flight_with(&[1, 2, 3]);
    assert!(flight.fits(Lane::Event, 2000, None), "four seconds at the slowest rate");
    assert!(!flight.fits(Lane::Event, 11_000, None));
    assert!(!flight.fits(Lane::Event, 2000, Some(8000)), "three are on their way");
    assert!(flight.fits(Lane::Event, 2000, Some(80_000)));
    for token in 1..=3 {
        acknowledge(&mut flight, token);
    }
    assert!(flight.fits(Lane::Picture, 250_000, Some(8000)), "with nothing else on its way");
    flight.handed_over(MessageId(4), Lane::Picture, 250_000);
    assert!(flight.fits(Lane::Event, 2000, Some(8000)), "right behind the picture");
    assert!(!flight.fits(Lane::Picture, 250_000, Some(8000)), "one after another");
    flight.picture_must_wait(250_000);
    assert_eq!(flight.next_picture(at(0), Some(8000)), None);
    acknowledge(&mut flight, 4);
    assert_eq!(flight.next_picture(at(0), Some(8000)), Some(Turn::NewestPicture));
}

#[test]
fn the_broker_s_receive_maximum_is_the_window() {
    let granted = |receive_max| {
        let (max_packet_size, server_keep_alive, session_expiry) = (None, None, None);
        let (session_present, retain_available) = (false, true);
        UplinkEvent::Connected(Connected {
            max_packet_size,
            receive_max,
            server_keep_alive,
            session_present,
            retain_available,
            session_expiry,
        })
    };
    let mut flight = Flight::new(false);
    for (receive_max, window) in [(20, WINDOW), (5, 5), (1, 1), (u16::MAX, WINDOW)] {
        flight.answered(&granted(receive_max), ReleaseOn::Auto, at(0));
        assert_eq!(flight.room(at(0)), window);
    }
}

#[test]
fn receipts_decide_what_an_acknowledgement_releases() {
    for (seen, release_on, waits) in [
        (false, ReleaseOn::Auto, false),
        (true, ReleaseOn::Auto, true),
        (true, ReleaseOn::Puback, false),
        (false, ReleaseOn::Receipt, true),
    ] {
        let mut flight = Flight::new(seen);
        flight.handed_over(MessageId(1), Lane::Event, 2000);
        flight.handed_over(MessageId(2), Lane::Picture, 100_000);
        for token in 1..=2 {
            flight.answered(&UplinkEvent::Acknowledged { token }, release_on, at(0));
        }
        let expected = if waits { Ack::BrokerAcked } else { Ack::Released };
        assert_eq!(flight.take_settled(), [(MessageId(1), expected), (MessageId(2), Ack::Released)]);
    }
}

#[test]
fn too_large_is_set_aside_at_once() {
    let mut flight = flight_with(&[1]);
    flight.answered(&refusal(1, RefusalKind::TooLarge), ReleaseOn::Auto, at(0));
    assert!(matches!(flight.take_settled().as_slice(), [(MessageId(1), Ack::Quarantined { .. })]));
    assert_eq!(flight.room(at(0)), WINDOW);
}
