//! Customers who got an offer: what they did then says what the offer did, and not what they would have done.

use features::time::Timestamp;
use serde::Deserialize;
use serving::batch::limits::Limits;
use serving::batch::name::Text;
use serving::batch::rows::Rows;
use serving::batch::shape::{Field, RowShape};
use serving::wire::parse_instant;
use std::collections::BTreeMap;

/// What a row holds.
static ROWS: RowShape = RowShape {
    list: None,
    id: "customer_id",
    kind: churn::CUSTOMER,
    whole: &[],
    fields: &[Field::text("customer_id"), Field::text("at")],
    around: &[],
    takes_order_lines: false,
    answer: "",
    columns: &[],
    key: |_| None,
};

/// A row.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    customer_id: String,
    at: String,
}

/// When customers got offers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Treated(BTreeMap<String, Vec<Timestamp>>);

impl Treated {
    /// Reads a CSV file with `customer_id` and `at`, an instant (RFC 3339) or the day of the offer; every wrong row is an error,
    /// for what is left out here would teach the model the effect of an offer.
    pub fn read(text: &[u8]) -> Result<Self, String> {
        let mut split = Rows::new(Text::Csv, &ROWS, &Limits::default());
        let mut rows = Vec::new();
        let pushed = split.push(text, &mut rows);
        let pushed = pushed.and_then(|()| split.finish(&mut rows));
        pushed.map_err(|fault| fault.to_string())?;
        let mut treated = Self::default();
        for row in rows {
            let place = |reason: String| format!("row {}: {reason}", row.number);
            let body = row.body.as_ref();
            let body = body.map_err(|reject| place(reject.reason.clone()))?;
            let told = serde_json::from_slice(body).map_err(|error| place(error.to_string()));
            let Told { customer_id, at } = told?;
            let at = instant(&at).map_err(place)?;
            treated.0.entry(customer_id).or_default().push(at);
        }
        Ok(treated)
    }

    /// Whether an offer may have changed a label: it acts for one horizon, and some of that lies in the label's window.
    pub fn touches(&self, customer_id: &str, cutoff: Timestamp, horizon_days: f64) -> bool {
        let until = cutoff.plus_days(horizon_days);
        let mut got = self.0.get(customer_id).into_iter().flatten();
        got.any(|at| at.plus_days(horizon_days) > cutoff && *at < until)
    }
}

/// An instant, or a day's first.
fn instant(text: &str) -> Result<Timestamp, String> {
    let whole = if text.len() == "2026-01-31".len() {
        format!("{text}T00:00:00Z")
    } else {
        text.to_owned()
    };
    let parsed = parse_instant(&whole, "at").map(|(at, _)| at);
    parsed.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_touched_by_every_offer_that_acts_in_it() {
        let text = b"customer_id,at\nK1,2025-03-01\nK1,2025-05-01T08:00:00Z\nK2,2025-03-01\n";
        let treated = Treated::read(text).unwrap();
        let touches = |id: &str, cutoff: &str| {
            let cutoff = parse_instant(cutoff, "").unwrap().0;
            treated.touches(id, cutoff, 28.0)
        };
        assert!(touches("K1", "2025-03-01T12:00:00Z"));
        assert!(touches("K1", "2025-02-02T00:00:00Z"));
        assert!(
            !touches("K1", "2025-02-01T00:00:00Z"),
            "its window ended before"
        );
        assert!(touches("K1", "2025-03-28T00:00:00Z"), "it still acts");
        assert!(
            !touches("K1", "2025-04-01T00:00:00Z"),
            "the first is over, the second comes later"
        );
        assert!(touches("K1", "2025-04-20T00:00:00Z"));
        assert!(!touches("K3", "2025-03-01T00:00:00Z"));
        let wrong = Treated::read(b"customer_id,at\nK1,yesterday\n").unwrap_err();
        assert!(wrong.starts_with("row 2: "), "{wrong}");
    }
}
