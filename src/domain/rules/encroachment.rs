//! Encroachment: things that stay where people should walk or drive.
//!
//! A zone's things are one case: one incident lasts while any of them stays, and its measure counts
//! them. Before anything is known of the street, a thing that stands there at the first looks and
//! stays through `learn_furniture` is furniture; one that comes later counts at once. Furniture that
//! was away for half an hour has to earn its place again, as an encroachment.

mod spot;
#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::params::EncroachmentRule;
use super::{Assessment, BACK_AFTER, Look, Seen, Sight, schedule_exceptions};
use crate::domain::Timestamp;
use crate::domain::detection::Detection;
use crate::domain::geometry::BoundingBox;
use crate::domain::incident::{CloseReason, EvidenceRole, LabelledBox, Measure, SnapshotId};
use crate::domain::snapshots::Snapshots;
use crate::domain::time::{after, elapsed};
use crate::domain::tracker::association::{greedy, same_place};
use crate::domain::zone::Zone;
use spot::{Spot, Standing};

/// What is seen within this time of the first look was there before us.
const FIRST_LOOKS: Duration = Duration::from_secs(10);
/// Share of looks at which furniture shows; detectors are unsure about much of it.
const FURNITURE_RATIO: f64 = 0.3;
/// Boxes that overlap more than this are one thing with two names.
const SAME_THING_IOU: f32 = 0.5;
/// After a gap this long, candidates have to prove themselves again.
const STALE_AFTER: Duration = Duration::from_secs(120);
/// Bound on what is remembered of one zone.
const MAX_SPOTS: usize = 64;
/// First pictures kept at a time, and the hits that earn one.
const MAX_PICTURES: usize = 3;
const PICTURE_HITS: u32 = 4;

/// The rule's memory.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Encroachment {
    spots: Vec<Spot>,
    first_look: Option<Timestamp>,
    learned: bool,
}

impl Encroachment {
    pub(crate) fn observe(
        &mut self,
        look: Look<'_>,
        rule: &EncroachmentRule,
        zone: &Zone,
        open: bool,
        snapshots: &mut Snapshots,
    ) -> Assessment {
        self.drop_stale(look, zone, snapshots);
        self.place(look, rule, zone);
        self.drop_gone(rule, snapshots);
        self.learn(look.at, rule);
        for spot in &mut self.spots {
            spot.is_muck = spot.standing == Standing::Candidate && spot.lies_in(&look.spoken_for.muck);
            if spot.counts(look.at, rule.common.dwell, rule) {
                spot.standing = Standing::Counted;
            }
            spot.returning = !open && spot.counts(look.at, rule.common.dwell.min(BACK_AFTER), rule);
        }
        self.take_first_pictures(look.at, open, snapshots);
        self.assess(look, rule, zone)
    }

    /// Joins what is seen with what stands.
    fn place(&mut self, look: Look<'_>, rule: &EncroachmentRule, zone: &Zone) {
        let things = things(look, rule, zone);
        let pairs = greedy(self.spots.len(), things.len(), |spot, thing| {
            same_place(&self.spots[spot].bbox, &things[thing].detection.bbox)
        });
        let (mut matched, mut placed) = (vec![false; self.spots.len()], vec![false; things.len()]);
        for (spot, thing) in pairs {
            (matched[spot], placed[thing]) = (true, true);
            self.spots[spot].hit(things[thing].detection, look, rule);
        }
        let faint = faint_things(look, rule, zone, &things);
        let pairs = greedy(self.spots.len(), faint.len(), |spot, thing| {
            let lost = !matched[spot] && self.spots[spot].may_be(faint[thing]);
            same_place(&self.spots[spot].bbox, &faint[thing].bbox).filter(|_| lost)
        });
        let mut known = vec![false; faint.len()];
        for (spot, thing) in pairs {
            (matched[spot], known[thing]) = (true, true);
            self.spots[spot].glimpse(look, rule);
        }
        for (spot, _) in self.spots.iter_mut().zip(&matched).filter(|(_, matched)| !**matched) {
            spot.miss(look, rule);
        }
        let first_look = *self.first_look.get_or_insert(look.at);
        let suspect = !self.learned && elapsed(first_look, look.at) <= FIRST_LOOKS.min(rule.learn_furniture);
        let suspect = suspect && !rule.learn_furniture.is_zero();
        let standing = if suspect { Standing::Suspected } else { Standing::Candidate };
        for (thing, _) in things.iter().zip(&placed).filter(|(_, placed)| !**placed) {
            if self.spots.len() < MAX_SPOTS {
                let mut spot = Spot::new(thing.detection, standing);
                spot.hit(thing.detection, look, rule);
                self.spots.push(spot);
            }
        }
        // A bench that a detector is half sure of at the first looks is no stall when it is surer later.
        for (thing, _) in faint.iter().zip(&known).filter(|(_, known)| suspect && !**known) {
            if self.spots.len() < MAX_SPOTS {
                let mut spot = Spot::new(thing, Standing::Suspected);
                spot.glimpse(look, rule);
                self.spots.push(spot);
            }
        }
    }

    fn drop_stale(&mut self, look: Look<'_>, zone: &Zone, snapshots: &mut Snapshots) {
        let stale = look.gap > STALE_AFTER;
        self.retain(snapshots, |spot| {
            !(stale && spot.standing == Standing::Candidate) && zone.polygon.contains(spot.bbox.bottom_center())
        });
    }

    fn drop_gone(&mut self, rule: &EncroachmentRule, snapshots: &mut Snapshots) {
        self.retain(snapshots, |spot| spot.lasts(rule));
    }

    fn retain(&mut self, snapshots: &mut Snapshots, keep: impl Fn(&Spot) -> bool) {
        self.spots.retain_mut(|spot| {
            let keep = keep(spot);
            if !keep {
                spot.forget(snapshots);
            }
            keep
        });
    }

    fn learn(&mut self, at: Timestamp, rule: &EncroachmentRule) {
        let over = self.first_look.is_some_and(|first| at >= after(first, rule.learn_furniture));
        if self.learned || !over {
            return;
        }
        self.learned = true;
        let steady = |spot: &Spot| spot.presence.ratio() >= FURNITURE_RATIO;
        self.spots.retain(|spot| spot.standing != Standing::Suspected || spot.was_found || steady(spot));
        for spot in self.spots.iter_mut().filter(|spot| spot.standing == Standing::Suspected) {
            spot.standing = if steady(spot) { Standing::Furniture } else { Standing::Candidate };
        }
    }

    fn take_first_pictures(&mut self, at: Timestamp, open: bool, snapshots: &mut Snapshots) {
        let mut room = MAX_PICTURES.saturating_sub(self.spots.iter().filter(|spot| spot.picture.is_some()).count());
        let wanting = self.spots.iter_mut().filter(|spot| {
            spot.standing == Standing::Candidate && spot.picture.is_none() && spot.presence.counts().0 == PICTURE_HITS
        });
        for spot in wanting.filter(|spot| spot.is_hit() && !open) {
            if room == 0 {
                break;
            }
            room -= 1;
            spot.picture = Some(snapshots.keep(EvidenceRole::FirstSeen, at));
        }
    }

    fn assess(&self, look: Look<'_>, rule: &EncroachmentRule, zone: &Zone) -> Assessment {
        let common = &rule.common;
        let counted: Vec<&Spot> = self.spots.iter().filter(|spot| spot.standing == Standing::Counted).collect();
        let met = counted.iter().any(|spot| spot.counts(look.at, common.dwell, rule));
        let back: Vec<&Spot> = self.spots.iter().filter(|spot| spot.returning).collect();
        let shown = if counted.is_empty() { &back } else { &counted };
        let leading = shown.iter().min_by_key(|spot| spot.presence.since().unwrap_or(look.at));
        let (frames_hit, frames_seen) = leading.map_or((0, 0), |spot| spot.presence.counts());
        let objects = u32::try_from(shown.len()).unwrap_or(u32::MAX);
        let covered: f64 =
            shown.iter().map(|spot| zone.polygon.coverage_of(&spot.bbox) * f64::from(spot.bbox.area())).sum();
        Assessment {
            met,
            back: !back.is_empty(),
            sight: sight(&counted),
            first_seen: leading.and_then(|spot| spot.presence.since()).unwrap_or(look.at),
            subkind: if rule.shop_line.is_some() { "out_of_store" } else { "street_occupation" },
            measure: Measure::Occupation {
                objects,
                attendants: shown.iter().map(|spot| spot.attendants).max().unwrap_or(0),
                occupied_ratio: (covered / zone.polygon.area()).min(1.0),
            },
            magnitude: f64::from(objects),
            score: leading.map_or(0.0, |spot| score(spot)),
            frames_hit,
            frames_seen,
            boxes: shown.iter().filter_map(|spot| labelled(spot)).collect(),
            exceptions_checked: exceptions(rule),
            evidence: leading.and_then(|spot| spot.picture).into_iter().collect(),
        }
    }

    /// Places of what stands there, seen or not: nobody else is to report it.
    pub(crate) fn held(&self, rule: &EncroachmentRule) -> impl Iterator<Item = BoundingBox> {
        let steady = rule.min_hit_ratio;
        self.spots.iter().filter(move |spot| spot.is_held(steady)).map(|spot| spot.bbox)
    }

    pub(crate) fn has_candidate(&self) -> bool {
        self.spots.iter().any(|spot| spot.standing == Standing::Candidate)
    }

    /// An incident was opened, or re-opened by what has returned, and has taken these pictures.
    pub(crate) fn opened(&mut self, taken: &[SnapshotId]) {
        let reopened = self.spots.iter().all(|spot| spot.standing != Standing::Counted);
        for spot in &mut self.spots {
            if reopened && spot.returning {
                spot.standing = Standing::Counted;
            }
            spot.picture = spot.picture.filter(|picture| !taken.contains(&picture.snapshot));
        }
    }

    pub(crate) fn closed(&mut self, reason: CloseReason) {
        match reason {
            CloseReason::MaxDuration => self.dismiss(),
            CloseReason::Retracted | CloseReason::Superseded => {}
            CloseReason::Cleared | CloseReason::CameraLost | CloseReason::ViewChanged | CloseReason::RuleDisabled => {
                self.spots.iter_mut().filter(|spot| spot.standing == Standing::Counted).for_each(Spot::start_anew);
            }
        }
    }

    /// What stands there now is part of the street until it goes.
    pub(crate) fn dismiss(&mut self) {
        for spot in &mut self.spots {
            spot.standing = Standing::Furniture;
        }
    }

    /// The rule does not apply for now: when it does again, everything but furniture starts anew.
    pub(crate) fn suspend(&mut self, snapshots: &mut Snapshots) {
        self.retain(snapshots, |spot| matches!(spot.standing, Standing::Furniture | Standing::Suspected));
    }
}

/// Detections the rule is about, each thing once, best first. What moves does not stand.
fn things<'a>(look: Look<'a>, rule: &EncroachmentRule, zone: &Zone) -> Vec<Seen<'a>> {
    let concerns = |seen: &Seen<'_>| {
        let detection = seen.detection;
        detection.roles.intersects(rule.roles)
            && detection.score >= rule.common.min_score
            && !seen.is_moving()
            && zone.polygon.contains(detection.bbox.bottom_center())
    };
    let mut candidates: Vec<Seen<'a>> = look.seen().filter(concerns).collect();
    candidates.sort_by(|a, b| b.detection.score.total_cmp(&a.detection.score));
    let mut things: Vec<Seen<'a>> = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        if things.iter().all(|thing| thing.detection.bbox.iou(&candidate.detection.bbox) < SAME_THING_IOU) {
            things.push(candidate);
        }
    }
    things
}

/// Faint boxes in the zone that are no second ones of `things`.
fn faint_things<'a>(look: Look<'a>, rule: &EncroachmentRule, zone: &Zone, things: &[Seen<'_>]) -> Vec<&'a Detection> {
    let new = |faint: &&Detection| things.iter().all(|thing| thing.detection.bbox.iou(&faint.bbox) < SAME_THING_IOU);
    look.faint(rule.common.min_score)
        .filter(|faint| faint.roles.intersects(rule.roles) && zone.polygon.contains(faint.bbox.bottom_center()))
        .filter(new)
        .collect()
}

fn sight(counted: &[&Spot]) -> Sight {
    if counted.iter().any(|spot| spot.is_hit()) {
        Sight::Seen
    } else if !counted.is_empty() && counted.iter().any(|spot| spot.is_hidden()) {
        Sight::Unknown
    } else {
        Sight::NotSeen
    }
}

fn score(spot: &Spot) -> f64 {
    let tended = if spot.is_tended() { 0.15 } else { 0.0 };
    (0.6 * f64::from(spot.score) + 0.25 * spot.presence.ratio() + tended).clamp(0.0, 1.0)
}

fn labelled(spot: &Spot) -> Option<LabelledBox> {
    Some(LabelledBox { role: spot.roles.most_specific()?, score: spot.score, bbox: spot.bbox })
}

fn exceptions(rule: &EncroachmentRule) -> Vec<String> {
    let mut checked = schedule_exceptions(&rule.common);
    let own = [(!rule.loading.is_zero(), "loading_window"), (!rule.learn_furniture.is_zero(), "furniture")];
    checked.extend(own.into_iter().filter(|(set, _)| *set).map(|(_, name)| name.to_owned()));
    checked
}
