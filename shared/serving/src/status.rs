//! `GET /v1/health` and `GET /v1/models`: how the service is, and what it serves.
//!
//! Both are answered from the pointers alone, so one function answers for all. Behind the gateway that is churn: its model is
//! the smallest, so it starts quickest. An index, kept by whoever promotes, says which pointers there are.

use crate::error::Error;
use crate::ports::PointerStore;
use crate::registry::release::{Canary, Shadow};
use crate::registry::{
    INDEX_POINTER, ModelIndex, ModelRelease, ModelVersion, PolicyRelease, model_pointer,
    policy_pointer,
};
use crate::route::Route;
use crate::service::store_failed;
use crate::wire::format_instant;
use features::time::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// The function that answers both behind the gateway, and on one machine.
pub const ANSWERED_BY: &str = "churn";

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// How the service is.
    Health,
    /// What it serves.
    Models,
}

/// The routes.
pub const ROUTES: &[Route<Asked>] = &[
    Route {
        method: "GET",
        path: "/v1/health",
        operation: "health",
        summary: "Whether predictions can be made: the store answers, and a model is served.",
        query: &[],
        request: |_, _| Ok(Asked::Health),
    },
    Route {
        method: "GET",
        path: "/v1/models",
        operation: "models",
        summary: "What is served of every function, since when, how good it was on its test rows, and what is tried beside it.",
        query: &[],
        request: |_, _| Ok(Asked::Models),
    },
];

/// How the service is; a service that is not well answers with a problem instead.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Health {
    /// `ok`.
    pub status: &'static str,
    /// One per thing that predictions need.
    pub checks: Vec<Check>,
}

/// One thing that predictions need.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Check {
    /// `store` or `model`.
    pub name: &'static str,
    /// `ok`.
    pub state: &'static str,
    /// Of the model that is served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Of the model: `all` of its golden rows gave in this environment what training expects, or a `sample` so far and the others
    /// are still replayed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub golden_rows: Option<&'static str>,
}

/// What is served.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Models {
    /// One per function and feature fingerprint, by name.
    pub models: Vec<ServedModel>,
}

/// What is served of one function, to code with one fingerprint.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ServedModel {
    /// Name of the function.
    pub function: String,
    /// Of the columns: code with another one serves another model.
    pub fingerprint: String,
    /// The version that answers.
    pub version: String,
    /// From when on, RFC 3339.
    pub since: String,
    /// When its training ended, RFC 3339.
    pub trained_at: String,
    /// The shop it was trained on.
    pub data_set: String,
    /// ISO 4217.
    pub currency: String,
    /// Its metrics on all test rows, by name; the model card says what they mean.
    pub metrics: BTreeMap<String, f64>,
    /// A version that answers about a share of the entities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary: Option<Beside>,
    /// The last canary, if it stopped by itself and nothing was tried or served since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped_canary: Option<StoppedCanary>,
    /// A version that scores beside it and never answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Beside>,
    /// The policy in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyInForce>,
}

/// A version beside the served one.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Beside {
    /// The version.
    pub version: String,
    /// From when on, RFC 3339.
    pub since: String,
    /// Its share of the entities, in percent; left out for a shadow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
}

/// A canary that stopped by itself.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct StoppedCanary {
    /// The version.
    pub version: String,
    /// From when on, RFC 3339.
    pub since: String,
    /// Until when, RFC 3339.
    pub until: String,
    /// Why, for people.
    pub reason: String,
}

/// A policy.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct PolicyInForce {
    /// SHA-256 of its file.
    pub sha256: String,
    /// From when on, RFC 3339.
    pub since: String,
}

/// How the service is. `served` is the version of the model that the asked environment serves, if any, and `replaying` whether it
/// still replays golden rows.
pub async fn health(
    pointers: &impl PointerStore,
    served: Option<&str>,
    replaying: bool,
) -> Result<Health, Error> {
    let read = pointers.get_pointers(&[INDEX_POINTER]).await;
    read.map_err(store_failed)?;
    let version = served.ok_or_else(|| Error::Retry {
        what: "no model is served",
        reason: "it was refused, see above".to_owned(),
    })?;
    let check = |name, version, golden_rows| Check {
        name,
        state: "ok",
        version,
        golden_rows,
    };
    let golden_rows = if replaying { "sample" } else { "all" };
    Ok(Health {
        status: "ok",
        checks: vec![
            check("store", None, None),
            check("model", Some(version.to_owned()), Some(golden_rows)),
        ],
    })
}

/// What is served: the index, then every pointer that it names, in two reads.
pub async fn models(pointers: &impl PointerStore) -> Result<Models, Error> {
    let index = pointers.get_pointers(&[INDEX_POINTER]).await;
    let index = index.map_err(store_failed)?.pop().flatten();
    let index: ModelIndex = parsed(INDEX_POINTER, index.as_deref())?.unwrap_or_default();
    let pairs: Vec<(&String, &String)> = index
        .models
        .iter()
        .flat_map(|(function, prints)| prints.iter().map(move |print| (function, print)))
        .collect();
    let names: Vec<String> = pairs
        .iter()
        .flat_map(|(function, print)| [model_pointer(function, print), policy_pointer(function)])
        .collect();
    let asked: Vec<&str> = names.iter().map(String::as_str).collect();
    let values = pointers.get_pointers(&asked).await.map_err(store_failed)?;
    let mut models = Vec::new();
    for ((pair, names), values) in pairs.iter().zip(names.chunks(2)).zip(values.chunks(2)) {
        let release: Option<ModelRelease> = parsed(&names[0], values[0].as_deref())?;
        let policy: Option<PolicyRelease> = parsed(&names[1], values[1].as_deref())?;
        models.extend(release.map(|release| served(pair.0, pair.1, release, policy)));
    }
    Ok(Models { models })
}

fn parsed<T: DeserializeOwned>(name: &str, text: Option<&str>) -> Result<Option<T>, Error> {
    let parsed = text.map(serde_json::from_str).transpose();
    parsed.map_err(|error| Error::Internal {
        what: "read what is served",
        reason: format!("{name}: {error}"),
    })
}

fn served(
    function: &str,
    fingerprint: &str,
    release: ModelRelease,
    policy: Option<PolicyRelease>,
) -> ServedModel {
    let at = |seconds| format_instant(Timestamp(seconds));
    let beside = |model: ModelVersion, since_seconds, percent| Beside {
        version: model.pointer.version,
        since: at(since_seconds),
        percent,
    };
    let canary = |c: Canary| beside(c.model, c.since_seconds, Some(c.percent));
    let shadow = |s: Shadow| beside(s.model, s.since_seconds, None);
    let stopped_canary = release.stopped().map(|past| StoppedCanary {
        version: past.target.version.clone(),
        since: at(past.since_seconds),
        until: at(past.until_seconds),
        reason: past.reason.clone().unwrap_or_default(),
    });
    ServedModel {
        function: function.to_owned(),
        fingerprint: fingerprint.to_owned(),
        version: release.served.pointer.version,
        since: at(release.since_seconds),
        trained_at: release.served.created_at,
        data_set: release.served.shop,
        currency: release.served.currency,
        metrics: release.served.metrics,
        canary: release.canary.map(canary),
        stopped_canary,
        shadow: release.shadow.map(shadow),
        policy: policy.map(|policy| PolicyInForce {
            sha256: policy.served.sha256,
            since: at(policy.since_seconds),
        }),
    }
}
