//! What a detector saw in one picture.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::geometry::BoundingBox;

/// What a thing is for the rules. Model classes are mapped to roles by the model's manifest; a rule
/// never sees a class name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A human being, never anything more about them.
    Person,
    /// Any motor vehicle.
    Vehicle,
    /// A vehicle that can carry muck.
    Truck,
    /// A cargo or passenger tricycle.
    Tricycle,
    /// A bicycle, e-bike or motorcycle.
    Cycle,
    /// A stall, cart, table or rack that sells.
    Stall,
    /// Goods put down.
    Goods,
    /// An umbrella or awning.
    Umbrella,
    /// A heap of muck, spoil or rubbish.
    Pile,
}

impl Role {
    /// Every role, in a fixed order.
    pub const ALL: [Self; 9] = [
        Self::Person,
        Self::Vehicle,
        Self::Truck,
        Self::Tricycle,
        Self::Cycle,
        Self::Stall,
        Self::Goods,
        Self::Umbrella,
        Self::Pile,
    ];

    /// The name used in manifests, configuration and events.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Vehicle => "vehicle",
            Self::Truck => "truck",
            Self::Tricycle => "tricycle",
            Self::Cycle => "cycle",
            Self::Stall => "stall",
            Self::Goods => "goods",
            Self::Umbrella => "umbrella",
            Self::Pile => "pile",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A role name that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown role `{0}` (one of: person, vehicle, truck, tricycle, cycle, stall, goods, umbrella, pile)")]
pub struct UnknownRole(pub String);

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(name: &str) -> Result<Self, UnknownRole> {
        Self::ALL.into_iter().find(|role| role.name() == name).ok_or_else(|| UnknownRole(name.to_owned()))
    }
}

/// A set of roles: a COCO "truck" is a `Truck` and a `Vehicle`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RoleSet(u16);

impl RoleSet {
    /// The set without members.
    pub const EMPTY: Self = Self(0);

    /// Whether `role` is a member.
    #[must_use]
    pub fn contains(self, role: Role) -> bool {
        self.0 & (1 << role as u16) != 0
    }

    /// Whether the two sets share a member.
    #[must_use]
    pub fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether the set has no member.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The members in the order of [`Role::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(move |role| self.contains(*role))
    }

    /// Whether a thing of these roles shows who somebody is, by a face or by a plate.
    #[must_use]
    pub fn identifies(self) -> bool {
        let telling = [Role::Person, Role::Vehicle, Role::Truck, Role::Tricycle, Role::Cycle];
        telling.into_iter().any(|role| self.contains(role))
    }

    /// Whether a thing of these roles stays where it is until somebody takes it away.
    #[must_use]
    pub fn stays(self) -> bool {
        [Role::Stall, Role::Tricycle, Role::Goods, Role::Pile].into_iter().any(|role| self.contains(role))
    }

    /// The most telling member, used as a label in events: `Truck` before `Vehicle`.
    #[must_use]
    pub fn most_specific(self) -> Option<Role> {
        let general = [Role::Vehicle];
        self.iter().find(|role| !general.contains(role)).or_else(|| self.iter().next())
    }
}

impl FromIterator<Role> for RoleSet {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Self {
        Self(roles.into_iter().fold(0, |bits, role| bits | 1 << role as u16))
    }
}

/// One box of one picture. Only classes with at least one role become detections.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    /// Class index of the model, for journals and debugging.
    pub class_id: u16,
    /// What the manifest says the class stands for.
    pub roles: RoleSet,
    /// 0–1.
    pub score: f32,
    /// Where.
    pub bbox: BoundingBox,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for role in Role::ALL {
            assert_eq!(role.name().parse::<Role>(), Ok(role));
        }
        assert!("face".parse::<Role>().is_err());
    }

    #[test]
    fn the_specific_role_labels_the_box() {
        let truck: RoleSet = [Role::Vehicle, Role::Truck].into_iter().collect();
        assert_eq!(truck.most_specific(), Some(Role::Truck));
        let car: RoleSet = [Role::Vehicle].into_iter().collect();
        assert_eq!(car.most_specific(), Some(Role::Vehicle));
        assert_eq!(RoleSet::EMPTY.most_specific(), None);
    }
}
