//! What an integrator can set for each rule. Durations are whole seconds in the configuration.

use std::time::Duration;

use crate::domain::detection::RoleSet;
use crate::domain::geometry::Point;
use crate::domain::incident::Kind;
use crate::domain::schedule::Schedule;

/// Whether a standing thing needs somebody beside it to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attendance {
    /// Only things that are tended.
    Required,
    /// Tended or not; being tended raises confidence.
    Optional,
}

/// Settings that every rule has.
#[derive(Debug, Clone, PartialEq)]
pub struct Common {
    /// Unique within the camera.
    pub id: String,
    /// The zone it watches.
    pub zone: String,
    /// When it watches; `None` is always.
    pub active: Option<Schedule>,
    /// When what it looks for is permitted; `None` is never.
    pub permitted: Option<Schedule>,
    /// Detections below this are not seen by the rule, 0–1.
    pub min_score: f32,
    /// How long the thing must be there.
    pub dwell: Duration,
    /// How long it must be gone before the incident closes.
    pub clear_after: Duration,
    /// Back in the same place within this time, it is the same incident.
    pub reopen_within: Duration,
    /// Nothing is reported from the zone for this long after the platform called it a false alarm.
    pub cool_down: Duration,
    /// An incident is closed as `max_duration` after this.
    pub max_duration: Duration,
}

/// Stalls, goods and tricycles that stay on a walkway or beyond a shop line.
#[derive(Debug, Clone, PartialEq)]
pub struct EncroachmentRule {
    /// What every rule has.
    pub common: Common,
    /// What counts.
    pub roles: RoleSet,
    /// Share of good looks in the dwell window at which it must be seen, 0–1.
    pub min_hit_ratio: f64,
    /// Whether it must be tended.
    pub attendance: Attendance,
    /// Vehicles and goods may stand this long to be loaded or unloaded while somebody is at it.
    pub loading: Duration,
    /// A line along the shop fronts; given, the rule reports goods in the zone as `out_of_store`.
    pub shop_line: Option<Vec<Point>>,
    /// What stands there during this time after a start without a known baseline is taken for
    /// furniture.
    pub learn_furniture: Duration,
}

/// Muck, spoil or rubbish left on the ground.
#[derive(Debug, Clone, PartialEq)]
pub struct DumpingRule {
    /// What every rule has. `dwell`: how long the pile must lie after they have left.
    pub common: Common,
    /// Who can bring it.
    pub visitor_roles: RoleSet,
    /// A visit is a visitor in the zone for at least this long.
    pub min_visit: Duration,
    /// Share of the zone's ground that must differ from before, 0–1.
    pub min_changed_ratio: f64,
    /// Report ground changes without a seen visit (state without act).
    pub report_state: bool,
}

/// People who stand together.
#[derive(Debug, Clone, PartialEq)]
pub struct CrowdingRule {
    /// What every rule has.
    pub common: Common,
    /// How many.
    pub min_people: u32,
    /// It ends below this many.
    pub clear_people: u32,
    /// Count walkers as well as people who stand.
    pub count_everybody: bool,
    /// Upper bounds of the published bands, ascending: 10, 20, 50 gives `1-9`, `10-19`, `20-49`, `50+`.
    pub bands: Vec<u32>,
    /// The law or order that allows the count.
    pub legal_basis: String,
    /// Who answers for it.
    pub contact: String,
}

/// One rule of one camera.
#[derive(Debug, Clone, PartialEq)]
pub enum Rule {
    /// Encroachment.
    Encroachment(EncroachmentRule),
    /// Dumping.
    Dumping(DumpingRule),
    /// Crowding.
    Crowding(CrowdingRule),
}

/// A rule as a profile has it.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleSetting {
    /// With the profile's values.
    pub rule: Rule,
    /// One that is not looks for nothing, and keeps what it has learned of the place.
    pub enabled: bool,
}

/// What is in force where no profile is.
pub const NO_PROFILE: &str = "default";

impl Rule {
    /// Which of the three it looks for.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Encroachment(_) => Kind::Encroachment,
            Self::Dumping(_) => Kind::Dumping,
            Self::Crowding(_) => Kind::Crowding,
        }
    }

    /// What every rule has, to be changed.
    pub fn common_mut(&mut self) -> &mut Common {
        match self {
            Self::Encroachment(rule) => &mut rule.common,
            Self::Dumping(rule) => &mut rule.common,
            Self::Crowding(rule) => &mut rule.common,
        }
    }

    /// What every rule has.
    #[must_use]
    pub fn common(&self) -> &Common {
        match self {
            Self::Encroachment(rule) => &rule.common,
            Self::Dumping(rule) => &rule.common,
            Self::Crowding(rule) => &rule.common,
        }
    }
}
