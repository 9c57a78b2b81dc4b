//! What must hold for any street, however strange.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use uuid::Uuid;

use super::scenario::{OnGround, Street, at, crowding, dumping, encroachment, person, scene, stall, thing};
use super::*;
use crate::domain::detection::{Detection, Role};
use crate::domain::feedback::Verdict;
use crate::domain::geometry::BoundingBox;
use crate::domain::incident::Phase;

#[derive(Debug, Clone)]
enum Input {
    Frame { gap_s: i64, stalls: u8, people: u8, lorry: bool, noise: Vec<Detection>, view: u8, ground: OnGround },
    Stream { gap_s: i64, state: StreamState },
    Feedback { gap_s: i64, verdict: Verdict },
    Timeout { gap_s: i64 },
}

fn any_detection() -> impl Strategy<Value = Detection> {
    let role = (0..Role::ALL.len()).prop_map(|index| Role::ALL[index]);
    (role, 0.0..1.0_f32, 0.0..1.0_f32, 0.0..0.5_f32, 0.0..0.5_f32, 0.0..1.0_f32).prop_map(
        |(role, x, y, w, h, score)| {
            let bbox = BoundingBox { left: x, top: y, width: w, height: h };
            Detection { class_id: 1, roles: [role].into_iter().collect(), score, bbox }
        },
    )
}

fn any_verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        Just(Verdict::Rejected),
        Just(Verdict::FalseAlarm),
        Just(Verdict::Closed),
        Just(Verdict::Handled { verify: true, seq: Some(3) }),
        Just(Verdict::Verify { seq: None }),
    ]
}

/// A spell of like looks, or one other input.
fn any_inputs() -> impl Strategy<Value = Vec<Input>> {
    let ground = prop_oneof![4 => Just(OnGround::Nothing), 4 => Just(OnGround::Pile), 1 => Just(OnGround::Cloud)];
    let noise = prop::collection::vec(any_detection(), 0..3);
    let view = prop_oneof![9 => Just(1_u8), 1 => Just(9_u8)];
    let frame = (1..5_i64, 0..3_u8, 0..8_u8, any::<bool>(), noise, view, ground);
    let spell = (frame, 1..90_usize).prop_map(|((gap_s, stalls, people, lorry, noise, view, ground), looks)| {
        vec![Input::Frame { gap_s, stalls, people, lorry, noise, view, ground }; looks]
    });
    let state = prop_oneof![Just(StreamState::Ok), Just(StreamState::Offline)];
    let other = prop_oneof![
        (0..900_i64, state).prop_map(|(gap_s, state)| vec![Input::Stream { gap_s, state }]),
        (0..90_i64, any_verdict()).prop_map(|(gap_s, verdict)| vec![Input::Feedback { gap_s, verdict }]),
        (0..2000_i64).prop_map(|gap_s| vec![Input::Timeout { gap_s }]),
    ];
    prop::collection::vec(prop_oneof![5 => spell, 1 => other], 1..16).prop_map(|spells| spells.concat())
}

fn rules() -> Vec<Rule> {
    let mut stalls = encroachment();
    stalls.common.max_duration = Duration::from_secs(900);
    stalls.learn_furniture = Duration::from_secs(30);
    let mut muck = dumping();
    muck.report_state = true;
    let mut all = vec![Rule::Encroachment(stalls), Rule::Dumping(muck), Rule::Crowding(crowding())];
    for rule in &mut all {
        let common = match rule {
            Rule::Encroachment(rule) => &mut rule.common,
            Rule::Dumping(rule) => &mut rule.common,
            Rule::Crowding(rule) => &mut rule.common,
        };
        common.dwell = Duration::from_secs(30);
        common.clear_after = Duration::from_secs(20);
        common.cool_down = Duration::from_secs(120);
    }
    all
}

struct Run {
    street: Street,
    second: i64,
}

impl Run {
    fn new() -> Self {
        Self { street: Street::new(rules()), second: 0 }
    }

    fn feed(&mut self, input: &Input) {
        let analyzer = &mut self.street.analyzer;
        match input {
            Input::Frame { gap_s, stalls, people, lorry, noise, view, ground } => {
                self.second += gap_s;
                let mut seen: Vec<Detection> = (0..*stalls).map(|n| stall(0.1 + 0.3 * f32::from(n))).collect();
                seen.extend((0..*people).map(|n| person(0.05 + 0.1 * f32::from(n))));
                seen.extend(lorry.then(|| thing(Role::Truck, 0.35, 0.45, 0.3, 0.4)));
                seen.extend(noise);
                self.street.look(self.second, seen, scene(*view, *ground));
            }
            Input::Stream { gap_s, state } => {
                self.second += gap_s;
                analyzer.handle_stream_state(*state, at(self.second));
            }
            Input::Feedback { gap_s, verdict } => {
                self.second += gap_s;
                let Some(last) = self.street.transitions.last() else { return };
                let feedback = Feedback { event_id: last.event_id, verdict: *verdict };
                analyzer.handle_feedback(&feedback, at(self.second));
            }
            Input::Timeout { gap_s } => {
                self.second += gap_s;
                analyzer.handle_timeout(at(self.second));
            }
        }
        self.street.drain();
    }

    fn restart(&mut self) {
        let stored = serde_json::to_string(&self.street.analyzer.save()).unwrap();
        let state: AnalyzerState = serde_json::from_str(&stored).unwrap();
        let now = state.as_of();
        let fresh = Street::continued(rules(), Some(state), now);
        self.street.analyzer = fresh.analyzer;
    }
}

fn bytes(run: &Run) -> String {
    serde_json::to_string(&run.street.transitions).unwrap()
}

fn play(inputs: &[Input]) -> Run {
    let mut run = Run::new();
    for input in inputs {
        run.feed(input);
    }
    run
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_same_inputs_give_the_same_bytes(inputs in any_inputs()) {
        prop_assert_eq!(bytes(&play(&inputs)), bytes(&play(&inputs)));
    }

    #[test]
    fn a_restart_at_any_point_changes_nothing(inputs in any_inputs(), cut in 0.0..1.0_f64) {
        let mut restarted = Run::new();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "an index")]
        let cut = (inputs.len() as f64 * cut) as usize;
        for (index, input) in inputs.iter().enumerate() {
            if index == cut {
                restarted.restart();
            }
            restarted.feed(input);
        }
        let through = play(&inputs);
        prop_assert_eq!(bytes(&restarted), bytes(&through));
        prop_assert_eq!(&restarted.street.snapshots, &through.street.snapshots);
        prop_assert_eq!(restarted.street.analyzer.save(), through.street.analyzer.save());
    }

    #[test]
    fn timers_need_not_be_noticed_in_time(inputs in any_inputs()) {
        let mut eager = Run::new();
        for input in &inputs {
            while let Some(deadline) = eager.street.analyzer.poll_timeout().filter(|d| *d <= at(eager.second + 1)) {
                eager.street.analyzer.handle_timeout(deadline);
                eager.street.drain();
            }
            eager.feed(input);
        }
        prop_assert_eq!(bytes(&eager), bytes(&play(&inputs)));
    }

    #[test]
    fn lives_are_well_formed(inputs in any_inputs()) {
        let run = play(&inputs);
        let mut lives: BTreeMap<Uuid, Vec<&IncidentTransition>> = BTreeMap::new();
        let mut now = Timestamp::MIN;
        for transition in &run.street.transitions {
            prop_assert!(transition.at >= now, "time runs backwards");
            now = transition.at;
            lives.entry(transition.event_id).or_default().push(transition);
        }
        for life in lives.values() {
            let mut closed_at = None;
            for (index, step) in life.iter().enumerate() {
                prop_assert_eq!(step.revision as usize, index + 1);
                prop_assert_eq!(step.phase == Phase::Opened, index == 0);
                prop_assert!(step.first_seen <= step.confirmed && step.confirmed <= step.at);
                prop_assert!((0.0..=1.0).contains(&step.score));
                if let Some(closed) = closed_at {
                    let answer = step.verification.is_some() && step.phase == life[index - 1].phase;
                    prop_assert!(answer || step.phase == Phase::Updated, "only a re-opening or an answer follows a close");
                    // An answer comes when it was asked for, however long after the end that was.
                    prop_assert!(answer || elapsed(closed, step.at) <= Duration::from_secs(600));
                }
                closed_at = matches!(step.phase, Phase::Closed(_)).then_some(step.at);
            }
            let told: Vec<_> = life.iter().filter(|step| !matches!(step.phase, Phase::Closed(_))).collect();
            for pair in told.windows(2) {
                prop_assert!(elapsed(pair[0].at, pair[1].at) >= Duration::from_secs(60), "more than one a minute");
            }
        }
    }

    #[test]
    fn pictures_are_bounded_and_handed_over_once(inputs in any_inputs()) {
        let run = play(&inputs);
        let mut held = BTreeSet::new();
        let mut most = 0;
        for request in &run.street.snapshots {
            match request {
                SnapshotRequest::Keep(id) | SnapshotRequest::KeepCrowd(id, _) => {
                    prop_assert!(held.insert(*id), "a name used twice");
                }
                SnapshotRequest::KeepOriginal(id) => prop_assert!(held.contains(id), "of a picture that is not kept"),
                SnapshotRequest::Discard(id) => prop_assert!(held.remove(id), "given up but not held"),
            }
            most = most.max(held.len());
        }
        let mut handed = 0;
        for evidence in run.street.transitions.iter().flat_map(|transition| &transition.evidence) {
            prop_assert!(held.remove(&evidence.snapshot), "handed over twice, or given up");
            handed += 1;
        }
        prop_assert!(held.len() <= 12, "{} pictures held for nobody", held.len());
        prop_assert!(most <= handed + 12);
    }
}
