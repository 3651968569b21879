//! What one request did, gathered from the spans and events of the request path: it names its stages and what answered, and
//! reads no clock. A layer of the subscriber does, beside the one that writes logs and whatever their level.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::{Duration, Instant};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Metadata, Span, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::{LookupSpan, Registry, SpanRef};

/// Target of what is gathered: spans of stages, events that name what answered.
pub(super) const PATH: &str = serving::service::PATH;
/// Name of the span that all of one request happens in.
pub(crate) const REQUEST: &str = "request";

/// What one request did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trail {
    /// Stages by name: `parse`, `gather`, `features`, `score`, `respond`; of files `split` and `write` too.
    pub stages: BTreeMap<&'static str, Stage>,
    /// How many cases `model`, or which fallback, answered.
    pub answered_by: BTreeMap<String, usize>,
    /// Whether the canary was to answer, whatever came of it.
    pub by_canary: bool,
    /// Whether the request was refused for what the caller did.
    pub refused: bool,
}

/// A stage of one request, with all its parts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stage {
    /// When its first part began.
    pub began: Instant,
    /// Of all parts together.
    pub took: Duration,
}

impl Trail {
    /// What has happened in the span of a request; nothing where no layer gathers it.
    pub fn of(request: &Span) -> Self {
        let found = request.with_subscriber(|(id, subscriber)| {
            let registry = subscriber.downcast_ref::<Registry>()?;
            registry.span(id)?.extensions().get::<Self>().cloned()
        });
        found.flatten().unwrap_or_default()
    }

    fn add(&mut self, name: &'static str, began: Instant) {
        let took = began.elapsed();
        let stage = self.stages.entry(name);
        stage
            .and_modify(|stage| stage.took += took)
            .or_insert(Stage { began, took });
    }
}

/// Gathers trails.
pub(super) struct Trails;

/// When a span began.
struct Began(Instant);

/// Whether a span or an event is part of a trail.
pub(super) fn is_part(metadata: &Metadata<'_>) -> bool {
    metadata.target() == PATH || (metadata.is_span() && metadata.name() == REQUEST)
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Trails {
    fn on_new_span(&self, _: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if span.name() == REQUEST {
            span.extensions_mut().insert(Trail::default());
        } else {
            span.extensions_mut().insert(Began(Instant::now()));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if let Some(span) = context.event_span(event) {
            let mut told = Told::default();
            event.record(&mut told);
            of_request(&span, |trail| told.into_trail(trail));
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else {
            return;
        };
        let began = span.extensions().get::<Began>().map(|began| began.0);
        if let Some(began) = began {
            of_request(&span, |trail| trail.add(span.name(), began));
        }
    }
}

fn of_request<'a, S: LookupSpan<'a>>(span: &SpanRef<'a, S>, change: impl FnOnce(&mut Trail)) {
    if let Some(request) = span.scope().find(|outer| outer.name() == REQUEST)
        && let Some(trail) = request.extensions_mut().get_mut::<Trail>()
    {
        change(trail);
    }
}

/// The fields of an event.
#[derive(Default)]
struct Told {
    answered_by: Option<String>,
    by_canary: bool,
    refused: bool,
}

impl Told {
    fn into_trail(self, trail: &mut Trail) {
        if let Some(name) = self.answered_by {
            *trail.answered_by.entry(name).or_default() += 1;
        }
        trail.by_canary |= self.by_canary;
        trail.refused |= self.refused;
    }
}

impl Visit for Told {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "answered_by" {
            self.answered_by = Some(value.to_owned());
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        match field.name() {
            "by_canary" => self.by_canary = value,
            "refused" => self.refused = value,
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}
