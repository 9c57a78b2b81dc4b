//! Which profile of the configuration is in force, and what each camera has to know of it.
//!
//! ```text
//! cmd/profile ─▶ Orders ─▶ store (with its audit row) ─▶ watch ─▶ RulesFeed of each camera ─▶ analyzer, sink
//!                   ▲                                       └──▶ board ─▶ info
//! start, every 10 s ┘ ends what is over
//! ```

use std::sync::Arc;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, watch};

use crate::clock::Clock;
use crate::config::{Camera, Config, Profile};
use crate::contract::command::ProfileOrder;
use crate::contract::inbound::Refused;
use crate::domain::Timestamp;
use crate::domain::camera::CameraId;
use crate::domain::rules::params::{NO_PROFILE, Rule, RuleSetting};
use crate::domain::time::{after, elapsed};
use crate::pipeline::board::Board;
use crate::store::{Actor, AuditEntry, Deed, Store, StoreError};

/// A profile order as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Standing {
    name: String,
    from: Timestamp,
    until: Timestamp,
}

impl Standing {
    /// As of `now`: where the clock was set back to before the order, it keeps its length.
    fn kept_until(mut self, now: Timestamp) -> Self {
        if now < self.from {
            self.until = after(now, elapsed(self.from, self.until));
            self.from = now;
        }
        self
    }
}

/// A profile that is in force.
#[derive(Debug, Clone)]
struct InForce {
    profile: Arc<Profile>,
    until: Timestamp,
}

/// The rules of one camera as they are now.
#[derive(Debug, Clone, PartialEq)]
pub struct RulesInForce {
    /// Which profile; `None`: as they are written.
    pub profile: Option<Arc<str>>,
    /// Every rule of the camera.
    pub rules: Vec<RuleSetting>,
}

/// Why there is no other profile now.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// It is not to be.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It cannot be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The profile in force. Clones are of the same one.
#[derive(Debug, Clone)]
pub struct Orders {
    store: Store,
    clock: Arc<dyn Clock>,
    board: Board,
    profiles: Arc<[Arc<Profile>]>,
    active: watch::Sender<Option<InForce>>,
    /// One change at a time.
    change: Arc<Mutex<()>>,
}

impl Orders {
    /// With what was ordered before the program stopped, unless it is over or not configured any more.
    pub async fn open(config: &Config, store: Store, clock: Arc<dyn Clock>, board: Board) -> anyhow::Result<Self> {
        let profiles: Arc<[Arc<Profile>]> = config.profiles.iter().cloned().map(Arc::new).collect();
        let kept = store.standing_profile().await.context("reading the profile in force")?;
        let orders =
            Self { store, clock, board, profiles, active: watch::Sender::new(None), change: Arc::new(Mutex::new(())) };
        let Some(kept) = kept else { return Ok(orders) };
        match serde_json::from_str::<Standing>(&kept) {
            Ok(standing) => orders.resume(standing).await?,
            Err(error) => {
                tracing::error!(%error, "the order of a profile cannot be read and is dropped");
                orders.keep(None, ended("the kept order, which cannot be read")).await?;
            }
        }
        Ok(orders)
    }

    async fn resume(&self, standing: Standing) -> Result<(), StoreError> {
        let now = self.clock.utc();
        let standing = standing.kept_until(now);
        match self.find(&standing.name) {
            Some(profile) if standing.until > now => {
                tracing::info!(profile = standing.name, until = %standing.until, "the profile goes on");
                self.put(Some(InForce { profile, until: standing.until }));
                Ok(())
            }
            Some(_) => self.keep(None, ended(&standing.name)).await,
            None => {
                tracing::warn!(profile = standing.name, "the profile in force is not configured any more");
                self.keep(None, ended(&format!("{}, not configured any more", standing.name))).await
            }
        }
    }

    /// Names of the profiles that there are.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.profiles.iter().map(|profile| profile.id.clone()).collect()
    }

    /// Switches to a profile, or back. When this returns, the order survives a power cut.
    pub async fn switch(&self, order: &ProfileOrder) -> Result<(), OrderError> {
        let _one = self.change.lock().await;
        let now = self.clock.utc();
        order.check(now)?;
        let (Some(name), Some(until)) = (&order.name, order.until) else {
            let entry = AuditEntry::new(Actor::Command, Deed::Acts, format!("profile {NO_PROFILE}"));
            self.keep(None, entry).await?;
            self.put(None);
            return Ok(());
        };
        let Some(profile) = self.find(name) else {
            let known = if self.profiles.is_empty() { "none".to_owned() } else { self.names().join(", ") };
            let known = known.chars().take(300).collect();
            return Err(Refused::Unknown { what: "profile", known }.into());
        };
        let standing = Standing { name: name.clone(), from: now, until };
        let entry = AuditEntry::new(Actor::Command, Deed::Acts, format!("profile {name} until {until}"));
        self.keep(Some(&standing), entry).await?;
        self.put(Some(InForce { profile, until }));
        Ok(())
    }

    /// Ends a profile whose time is over; to be called every few seconds.
    pub async fn end_what_is_over(&self) {
        let _one = self.change.lock().await;
        let active = self.active.borrow().clone();
        let Some(over) = active.filter(|active| active.until <= self.clock.utc()) else { return };
        if let Err(error) = self.keep(None, ended(&over.profile.id)).await {
            // It is over all the same; the next start finds that out by itself.
            tracing::error!(%error, "the end of a profile cannot be written");
        }
        tracing::info!(profile = over.profile.id, "the profile's time is over");
        self.put(None);
    }

    /// What one camera has to know.
    #[must_use]
    pub fn feed(&self, camera: &Camera) -> RulesFeed {
        RulesFeed {
            active: self.active.subscribe(),
            camera: camera.id.clone(),
            written: camera.rules.clone(),
            clock: Arc::clone(&self.clock),
        }
    }

    fn find(&self, name: &str) -> Option<Arc<Profile>> {
        self.profiles.iter().find(|profile| profile.id == name).cloned()
    }

    async fn keep(&self, standing: Option<&Standing>, entry: AuditEntry) -> Result<(), StoreError> {
        let text = standing.map(serde_json::to_string).transpose()?;
        self.store.set_standing_profile(text, entry).await
    }

    fn put(&self, active: Option<InForce>) {
        self.board.profile(active.as_ref().map(|active| (active.profile.id.clone(), active.until)));
        self.active.send_replace(active);
    }
}

fn ended(name: &str) -> AuditEntry {
    AuditEntry::new(Actor::Gateway, Deed::Ended, format!("profile {name}"))
}

/// Tells one camera's loop of another profile.
#[derive(Debug)]
pub struct RulesFeed {
    active: watch::Receiver<Option<InForce>>,
    camera: CameraId,
    written: Vec<Rule>,
    clock: Arc<dyn Clock>,
}

impl RulesFeed {
    /// The rules as they are now.
    pub fn now(&mut self) -> (RulesInForce, Timestamp) {
        let active = self.active.borrow_and_update().clone();
        let written = || self.written.iter().map(|rule| RuleSetting { rule: rule.clone(), enabled: true }).collect();
        let changed = active.as_ref().and_then(|active| active.profile.cameras.get(&self.camera).cloned());
        let rules = RulesInForce {
            profile: active.map(|active| active.profile.id.as_str().into()),
            rules: changed.unwrap_or_else(written),
        };
        (rules, self.clock.now())
    }

    /// The rules as soon as they are others; never where nobody can change them any more. May be cancelled.
    pub async fn changed(&mut self) -> (RulesInForce, Timestamp) {
        if self.active.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        self.now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_keeps_its_length_when_the_clock_is_set_back() {
        let at = |second: i64| Timestamp::from_second(1_800_000_000 + second).unwrap();
        let standing = Standing { name: "fair".to_owned(), from: at(0), until: at(3600) };
        assert_eq!(standing.clone().kept_until(at(60)), standing);
        let moved = standing.kept_until(at(-86_400));
        assert_eq!((moved.from, moved.until), (at(-86_400), at(-86_400 + 3600)));
    }
}
