//! `storecast releases`.

use super::Failure;
use super::connection::{Connection, block_on};
use crate::for_predictor;
use crate::functions::NAMES;
use clap::Args;
use features::time::Timestamp;
use serving::predictor::Predictor;
use serving::registry::release::{End, Past, Role};
use serving::registry::{ModelRelease, PolicyRelease};
use serving::wire::format_instant;
use std::fmt::Write as _;
use std::pin::Pin;
use std::process::ExitCode;

#[derive(Args)]
#[command(after_help = "\
The table and its endpoint come from the environment, as for `load`. Nothing is changed.")]
pub(super) struct Releases {
    /// The function [default: all]
    #[arg(value_parser = NAMES)]
    function: Option<String>,
}

type Listed<'a> = Pin<Box<dyn Future<Output = Result<String, Failure>> + 'a>>;

impl Releases {
    #[expect(
        clippy::print_stdout,
        reason = "the answer of a command for people and pipes"
    )]
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        let wanted = |name: &&str| self.function.as_deref().is_none_or(|f| f == *name);
        let text = block_on(async {
            let connection = Connection::open().await?;
            let mut text = String::new();
            for name in NAMES.into_iter().filter(wanted) {
                let listed: Listed<'_> = for_predictor!(name, list::<P>(&connection));
                text.push_str(&listed.await?);
            }
            Ok(text)
        })?;
        print!("{text}");
        Ok(ExitCode::SUCCESS)
    }
}

/// The future is boxed, because every predictor's is of another type.
fn list<P: Predictor>(connection: &Connection) -> Listed<'_> {
    Box::pin(async {
        let registry = connection.registry(None);
        let (model, policy) = (registry.model::<P>().await?, registry.policy::<P>().await?);
        Ok(table(
            P::NAME,
            model.record.as_ref(),
            policy.record.as_ref(),
        ))
    })
}

/// Everything that the two pointers of a function say, a line each, latest first.
fn table(name: &str, model: Option<&ModelRelease>, policy: Option<&PolicyRelease>) -> String {
    let mut lines = Vec::new();
    if let Some(release) = model {
        let line = |role: &str, version: &str, since, note: String| {
            line(role, version, since, "now", &note)
        };
        let served = &release.served;
        let note = format!("trained {} on {}", served.created_at, served.shop);
        lines.push(line(
            "served",
            &served.pointer.version,
            release.since_seconds,
            note,
        ));
        if let Some(canary) = &release.canary {
            let note = format!("{} % of the entities", canary.percent);
            let version = &canary.model.pointer.version;
            lines.push(line("canary", version, canary.since_seconds, note));
        }
        if let Some(shadow) = &release.shadow {
            let version = &shadow.model.pointer.version;
            lines.push(line("shadow", version, shadow.since_seconds, String::new()));
        }
        lines.extend(
            release
                .history
                .iter()
                .map(|past| before(past, &past.target.version)),
        );
    }
    if let Some(release) = policy {
        let sha256 = &release.served.sha256;
        lines.push(line(
            "policy",
            short(sha256),
            release.since_seconds,
            "now",
            "",
        ));
        let mut past = release.history.iter().map(|past| {
            let line = before(past, short(&past.target.sha256));
            line.replacen("served", "policy", 1)
        });
        lines.extend(past.by_ref());
    }
    let mut text = format!("{name}\n");
    if lines.is_empty() {
        let _ = writeln!(text, "  nothing is served");
    }
    for line in lines {
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

fn line(role: &str, version: &str, since_seconds: i64, until: &str, note: &str) -> String {
    let since = format_instant(Timestamp(since_seconds));
    format!("  {role:<8}{version:<34}{since}  to {until:<22}{note}")
}

fn before<T>(past: &Past<T>, version: &str) -> String {
    let role = match past.role {
        Role::Served => "served",
        Role::Canary => "canary",
        Role::Shadow => "shadow",
    };
    let why = match past.end {
        End::Replaced => "replaced",
        End::RolledBack => "rolled back",
        End::Restored => "replaced, served again later",
        End::Ended => "ended",
        End::Stopped => "stopped by itself",
    };
    let until = format_instant(Timestamp(past.until_seconds));
    let reason = past.reason.as_ref();
    let note = reason.map_or_else(|| why.to_owned(), |reason| format!("{why}: {reason}"));
    line(role, version, past.since_seconds, &until, &note)
}

fn short(sha256: &str) -> &str {
    sha256.get(..12).unwrap_or(sha256)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serving::registry::PolicyPointer;

    #[test]
    fn a_table_says_what_was_in_force_and_why_it_ended() {
        let policy = |name: &str| PolicyPointer {
            sha256: name.repeat(64),
        };
        let release = PolicyRelease::first(policy("a"), 0).promoted(policy("b"), 60);
        let release = release.rolled_back(120).expect("one before");
        assert_eq!(
            table("churn", None, Some(&release)),
            "churn
  policy  aaaaaaaaaaaa                      1970-01-01T00:02:00Z  to now
  policy  bbbbbbbbbbbb                      1970-01-01T00:01:00Z  to 1970-01-01T00:02:00Z  rolled back
  policy  aaaaaaaaaaaa                      1970-01-01T00:00:00Z  to 1970-01-01T00:01:00Z  replaced, served again later
"
        );
        assert_eq!(table("churn", None, None), "churn\n  nothing is served\n");
    }
}
