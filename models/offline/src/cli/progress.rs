//! Progress of long work, on standard error, only where a person is looking.

use crate::ingest::{Progress, Stage};
use indicatif::{ProgressBar, ProgressStyle};

/// A bar over bytes of a load.
pub(super) struct Bar(ProgressBar);

impl Bar {
    pub(super) fn new() -> Self {
        // indicatif draws nothing when standard error is not a terminal.
        Self(
            ProgressBar::new(0)
                .with_style(style("{msg:28} {wide_bar} {bytes}/{total_bytes} {eta}")),
        )
    }

    pub(super) fn show(&self, now: &Progress<'_>) {
        self.0.set_length(now.total_bytes);
        self.0.set_position(now.bytes);
        self.0.set_message(match now.stage {
            Stage::Reading => format!("reading, {} rows", now.rows),
            Stage::Grouping => "grouping into histories".to_owned(),
        });
    }

    pub(super) fn end(self) {
        self.0.finish_and_clear();
    }
}

/// A bar over a known number of things.
pub(super) fn counter(what: &'static str, total: u64) -> ProgressBar {
    ProgressBar::new(total)
        .with_style(style("{msg:28} {wide_bar} {pos}/{len} {eta}"))
        .with_message(what)
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
