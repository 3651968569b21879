//! What is served, since when, and what was served before: one record per pointer, changed as a whole.
//!
//! Everything here is pure: a change takes a record and the instant, and gives the record after it.

use super::{ModelPointer, PolicyPointer};
use crate::canary::judge::USUAL_SHIFT;
use crate::manifest::Manifest;
use features::time::SECONDS_PER_DAY;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Entries of a history; older ones are dropped.
pub const HISTORY_LIMIT: usize = 20;

/// A version, with what people ask of it first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelVersion {
    /// Which bytes.
    pub pointer: ModelPointer,
    /// RFC 3339, when training ended.
    pub created_at: String,
    /// The shop it was trained on.
    pub shop: String,
    /// ISO 4217.
    pub currency: String,
    /// Metrics on all test rows, by name.
    pub metrics: BTreeMap<String, f64>,
}

impl ModelVersion {
    /// What a manifest says of its version; parts of the test rows (`name@part`) are left to the manifest.
    pub fn of(manifest: &Manifest, manifest_sha256: String) -> Self {
        let figure = |line: &serde_json::Value| {
            let name = line.get("metric")?.as_str()?.to_owned();
            let value = line.get("value")?.as_f64()?;
            (!name.contains('@')).then_some((name, value))
        };
        Self {
            pointer: ModelPointer {
                version: manifest.version.clone(),
                manifest_sha256,
            },
            created_at: manifest.created_at.clone(),
            shop: manifest.data_set.shop.clone(),
            currency: manifest.data_set.currency.clone(),
            metrics: manifest.metrics.iter().filter_map(figure).collect(),
        }
    }
}

/// What became of a version, or a policy, that was in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Another was promoted. Rolling back leads to the latest of these.
    Replaced,
    /// The one before was served again.
    RolledBack,
    /// It was replaced and is served again.
    Restored,
    /// A canary or shadow that was promoted, or taken away.
    Ended,
    /// A canary that stopped by itself; its entry says why.
    Stopped,
}

/// How a version was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It answered.
    Served,
    /// It answered about a share of the entities.
    Canary,
    /// It scored beside the served one, unseen.
    Shadow,
}

/// An entry of a history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Past<T> {
    /// What was in use.
    pub target: T,
    /// As what.
    pub role: Role,
    /// From when on, seconds since 1970.
    pub since_seconds: i64,
    /// Until when, seconds since 1970.
    pub until_seconds: i64,
    /// Why it ended.
    pub end: End,
    /// What was wrong with it, of a canary that stopped by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A version that answers about a share of the entities.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Canary {
    /// The version.
    pub model: ModelVersion,
    /// Its share of the entities, 1 to 99.
    pub percent: u8,
    /// Hashed with an entity's id; a new one for each canary, so that it is not always the same entities.
    pub salt: String,
    /// From when on, seconds since 1970.
    pub since_seconds: i64,
    /// The population stability index of its scores that stops it, where it is not [`USUAL_SHIFT`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_shift: Option<f64>,
}

impl Canary {
    /// Owner of the sets that its sample of one day is, counted from its promotion on; `pointer` is the model's. With another share
    /// it begins anew.
    pub fn sample_of(&self, pointer: &str, day: i64) -> String {
        format!("{pointer}/{}/{}/{day}", self.salt, self.since_seconds)
    }

    /// The day of an instant, counted from its promotion on.
    pub fn day_of(&self, now_seconds: i64) -> i64 {
        (now_seconds - self.since_seconds).div_euclid(SECONDS_PER_DAY)
    }

    /// The shift that stops it.
    pub fn stop_shift(&self) -> f64 {
        self.stop_shift.unwrap_or(USUAL_SHIFT)
    }
}

/// A version that scores beside the served one and never answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shadow {
    /// The version.
    pub model: ModelVersion,
    /// From when on, seconds since 1970.
    pub since_seconds: i64,
}

/// The value of a model's pointer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelRelease {
    /// What answers.
    pub served: ModelVersion,
    /// From when on, seconds since 1970.
    pub since_seconds: i64,
    /// What answers about a share of the entities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
    /// What scores unseen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Shadow>,
    /// What was in use before, latest first, at most [`HISTORY_LIMIT`].
    pub history: Vec<Past<ModelPointer>>,
}

/// The value of a policy's pointer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyRelease {
    /// What is in force.
    pub served: PolicyPointer,
    /// From when on, seconds since 1970.
    pub since_seconds: i64,
    /// What was in force before, latest first, at most [`HISTORY_LIMIT`].
    pub history: Vec<Past<PolicyPointer>>,
}

impl ModelRelease {
    /// The first version of a model.
    pub fn first(served: ModelVersion, now_seconds: i64) -> Self {
        Self {
            served,
            since_seconds: now_seconds,
            canary: None,
            shadow: None,
            history: Vec::new(),
        }
    }

    /// `version` is served. Canary and shadow end with what they were compared with. Serving what is served already
    /// changes nothing else.
    #[must_use]
    pub fn promoted(&self, version: ModelVersion, now_seconds: i64) -> Self {
        let mut after = self.without_canary(now_seconds).without_shadow(now_seconds);
        if version.pointer != self.served.pointer {
            after.replace(version, End::Replaced, now_seconds);
        }
        after
    }

    /// What rolling back leads to: the latest that was replaced.
    pub fn before(&self) -> Option<&ModelPointer> {
        latest_replaced(&self.history).map(|past| &past.target)
    }

    /// `version`, which [`before`](Self::before) has named, is served again.
    #[must_use]
    pub fn rolled_back(&self, version: ModelVersion, now_seconds: i64) -> Self {
        let mut after = self.without_canary(now_seconds).without_shadow(now_seconds);
        restore(&mut after.history, &version.pointer);
        after.replace(version, End::RolledBack, now_seconds);
        after
    }

    /// The canary, if it is this version: with another share it keeps whom it had, and what stops it.
    pub fn canary_of(&self, version: &ModelVersion) -> Option<&Canary> {
        let canary = self.canary.as_ref();
        canary.filter(|canary| canary.model.pointer == version.pointer)
    }

    /// `canary` answers about its share; an earlier canary ends.
    #[must_use]
    pub fn with_canary(&self, canary: Canary) -> Self {
        let after = self.without_canary(canary.since_seconds);
        Self {
            canary: Some(canary),
            ..after
        }
    }

    /// No canary; nothing else changes.
    #[must_use]
    pub fn without_canary(&self, now_seconds: i64) -> Self {
        self.canary_ended(now_seconds, End::Ended, None)
    }

    /// The canary was stopped, for a reason that people read; nothing else changes.
    #[must_use]
    pub fn canary_stopped(&self, reason: String, now_seconds: i64) -> Self {
        self.canary_ended(now_seconds, End::Stopped, Some(reason))
    }

    /// The latest canary, if it was stopped and nothing was tried or served since.
    pub fn stopped(&self) -> Option<&Past<ModelPointer>> {
        let latest = self.history.iter().find(|past| past.role != Role::Shadow);
        latest.filter(|past| past.end == End::Stopped && self.canary.is_none())
    }

    fn canary_ended(&self, now_seconds: i64, end: End, reason: Option<String>) -> Self {
        let mut after = self.clone();
        if let Some(canary) = after.canary.take() {
            let past = Past {
                target: canary.model.pointer,
                role: Role::Canary,
                since_seconds: canary.since_seconds,
                until_seconds: now_seconds,
                end,
                reason,
            };
            push(&mut after.history, past);
        }
        after
    }

    /// `shadow` scores unseen; an earlier one ends.
    #[must_use]
    pub fn with_shadow(&self, shadow: Shadow) -> Self {
        let after = self.without_shadow(shadow.since_seconds);
        Self {
            shadow: Some(shadow),
            ..after
        }
    }

    /// No shadow; nothing else changes.
    #[must_use]
    pub fn without_shadow(&self, now_seconds: i64) -> Self {
        let mut after = self.clone();
        if let Some(shadow) = after.shadow.take() {
            let past = Past {
                target: shadow.model.pointer,
                role: Role::Shadow,
                since_seconds: shadow.since_seconds,
                until_seconds: now_seconds,
                end: End::Ended,
                reason: None,
            };
            push(&mut after.history, past);
        }
        after
    }

    fn replace(&mut self, version: ModelVersion, end: End, now_seconds: i64) {
        let past = Past {
            target: std::mem::replace(&mut self.served, version).pointer,
            role: Role::Served,
            since_seconds: std::mem::replace(&mut self.since_seconds, now_seconds),
            until_seconds: now_seconds,
            end,
            reason: None,
        };
        push(&mut self.history, past);
    }
}

impl PolicyRelease {
    /// The first policy of a function.
    pub fn first(served: PolicyPointer, now_seconds: i64) -> Self {
        Self {
            served,
            since_seconds: now_seconds,
            history: Vec::new(),
        }
    }

    /// `policy` is in force.
    #[must_use]
    pub fn promoted(&self, policy: PolicyPointer, now_seconds: i64) -> Self {
        let mut after = self.clone();
        if policy != self.served {
            after.replace(policy, End::Replaced, now_seconds);
        }
        after
    }

    /// What rolling back leads to: the latest that was replaced.
    pub fn before(&self) -> Option<&PolicyPointer> {
        latest_replaced(&self.history).map(|past| &past.target)
    }

    /// The policy that [`before`](Self::before) names is in force again; `None` without one.
    pub fn rolled_back(&self, now_seconds: i64) -> Option<Self> {
        let policy = self.before()?.clone();
        let mut after = self.clone();
        restore(&mut after.history, &policy);
        after.replace(policy, End::RolledBack, now_seconds);
        Some(after)
    }

    fn replace(&mut self, policy: PolicyPointer, end: End, now_seconds: i64) {
        let past = Past {
            target: std::mem::replace(&mut self.served, policy),
            role: Role::Served,
            since_seconds: std::mem::replace(&mut self.since_seconds, now_seconds),
            until_seconds: now_seconds,
            end,
            reason: None,
        };
        push(&mut self.history, past);
    }
}

fn latest_replaced<T>(history: &[Past<T>]) -> Option<&Past<T>> {
    history.iter().find(|past| past.end == End::Replaced)
}

/// Marks the latest replaced entry as served again, so that rolling back once more leads further back.
fn restore<T: PartialEq>(history: &mut [Past<T>], target: &T) {
    let latest = history
        .iter_mut()
        .find(|past| past.end == End::Replaced && past.target == *target);
    if let Some(past) = latest {
        past.end = End::Restored;
    }
}

/// What rolling back leads to is never dropped, however much was tried since.
fn push<T>(history: &mut Vec<Past<T>>, past: Past<T>) {
    history.insert(0, past);
    if history.len() > HISTORY_LIMIT {
        let target = history.iter().position(|past| past.end == End::Replaced);
        let last = history.len() - 1;
        history.remove(if target == Some(last) { last - 1 } else { last });
    }
}

#[cfg(test)]
mod tests;
